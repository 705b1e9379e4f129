//! HeartbeatActor: reports this node as alive twice a second, and joins the open recoveries that the reply names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::recovery::Recoveries;
use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::fault_injection::panics;

const INTERVAL: Duration = Duration::from_millis(500);

/// Keeps this node a living member of the cluster.
pub type HeartbeatActor = BackgroundActor<HeartbeatDeps>;

#[derive(Clone)]
pub struct HeartbeatDeps {
    pub membership: Arc<Membership>,
    /// Absent on an engine that cannot lose decisions and therefore is never recovered.
    pub recoveries: Option<Arc<Recoveries>>,
    pub registry: Arc<CouponRegistry>,
}

impl HeartbeatDeps {
    async fn heartbeat(&self) {
        panics::visit(Self::KIND, "heartbeat");
        let server = connected_server(self.recoveries.as_deref()).await;
        let sent_at = Instant::now();
        match self.membership.heartbeat(server.as_deref()).await {
            Ok(open) => {
                let Some(recoveries) = &self.recoveries else { return };
                for coupon in recoveries.record_open(open, sent_at) {
                    match self.registry.find(&coupon) {
                        Some(handle) => recoveries.attend(&handle),
                        None => recoveries.report_nothing(&coupon).await,
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "the heartbeat failed; the next one follows in 500 ms"),
        }
    }
}

/// The engine's server that a heartbeat reports; `None` on an engine without one.
pub(crate) async fn connected_server(recoveries: Option<&Recoveries>) -> Option<String> {
    recoveries?.server().await
}

impl BackgroundTask for HeartbeatDeps {
    const KIND: &'static str = "presence";

    async fn run(self, mut stop: StopSignal) {
        while !stop.is_set() {
            self.heartbeat().await;
            let _waited_or_stopping = timeout(INTERVAL, stop.wait()).await;
        }
        if stop.is_shutdown() {
            if let Some(recoveries) = &self.recoveries {
                recoveries.release_lease().await;
            }
            self.membership.leave().await;
        }
    }
}
