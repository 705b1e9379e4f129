//! PresenceActor: says twice a second that this node lives, and hears which coupons are doubted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::recovery::Recoveries;
use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::fault_injection::panics;

/// How often this node says that it lives.
const BEAT: Duration = Duration::from_millis(500);

/// Keeps this node in the others' minds.
pub type HeartbeatActor = BackgroundActor<HeartbeatDeps>;

/// What the actor works with.
#[derive(Clone)]
pub struct HeartbeatDeps {
    /// This node among the others.
    pub peers: Arc<Membership>,
    /// What it takes part in; absent on an engine that cannot lose what it decided: then nobody ever doubts a coupon.
    pub recoveries: Option<Arc<Recoveries>>,
    /// Its coupons.
    pub registry: Arc<CouponRegistry>,
}

impl HeartbeatDeps {
    async fn heartbeat(&self) {
        panics::visit(Self::KIND, "beat");
        let begun = Instant::now();
        match self.peers.heartbeat().await {
            Ok(open) => {
                let Some(recoveries) = &self.recoveries else { return };
                for coupon in recoveries.heard(open, begun) {
                    match self.registry.find(&coupon) {
                        Some(handle) => recoveries.attend(&handle),
                        None => recoveries.know_nothing_of(&coupon).await,
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "nobody heard that this node lives"),
        }
    }
}

impl BackgroundTask for HeartbeatDeps {
    const KIND: &'static str = "presence";

    async fn run(self, mut leave: StopSignal) {
        while !leave.is_set() {
            self.heartbeat().await;
            let _rested_or_leaving = timeout(BEAT, leave.wait()).await;
        }
        if leave.is_for_good() {
            if let Some(recoveries) = &self.recoveries {
                recoveries.stand_down().await;
            }
            self.peers.leave().await;
        }
    }
}
