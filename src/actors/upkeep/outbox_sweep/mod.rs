//! OutboxActor: trims each coupon's outbox up to what the database holds, and offers again what has been in it for too
//! long. One node at a time does so, for all; but whoever begins sees to what it finds, for those who decided that may
//! have died.

mod progress;
mod sweep;

use tokio::time::timeout;

use self::sweep::Sweep;
pub use self::sweep::SweepDeps;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};

/// Keeps the outboxes short.
pub type OutboxActor = BackgroundActor<SweepDeps>;

impl BackgroundTask for SweepDeps {
    const KIND: &'static str = "outbox";

    async fn run(self, mut leave: StopSignal) {
        let mut sweep = Sweep::new(self);
        while !leave.is_set() {
            let rest = sweep.round().await;
            let _rested_or_leaving = timeout(rest, leave.wait()).await;
        }
        sweep.stand_down().await;
    }
}
