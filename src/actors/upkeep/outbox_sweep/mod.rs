//! OutboxActor: trims each coupon's outbox up to the rows of the database, and publishes overdue entries again. One
//! node at a time does so for all.

mod progress;
mod sweep;

use tokio::time::timeout;

use self::sweep::Sweep;
pub use self::sweep::SweepDeps;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};

pub type OutboxActor = BackgroundActor<SweepDeps>;

impl BackgroundTask for SweepDeps {
    const KIND: &'static str = "outbox";

    async fn run(self, mut stop: StopSignal) {
        let mut sweep = Sweep::new(self);
        while !stop.is_set() {
            let pause = sweep.round().await;
            let _waited_or_stopping = timeout(pause, stop.wait()).await;
        }
        sweep.release_lease().await;
    }
}
