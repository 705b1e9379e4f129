//! GateKeeperActor: keeps the gates of this node in step with the engine, and notices changes through other nodes.

mod catalog_sync;
mod gates;
mod keeper;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::keeper::Keeper;
use crate::actors::cluster::{Membership, Recoveries, connected_server};
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::{BackgroundActor, BackgroundTask, StopSignal};
use crate::ports::{AdmissionEngine, CatalogError, CouponCatalog, EngineError};
use crate::telemetry::Metrics;

/// Half of it is the mean delay of a change through another node.
const ROUND: Duration = Duration::from_millis(200);

pub type GateKeeperActor = BackgroundActor<GateKeeperDeps>;

#[derive(Clone)]
pub struct GateKeeperDeps {
    pub registry: Arc<CouponRegistry>,
    pub catalog: Arc<dyn CouponCatalog>,
    pub engine: Arc<dyn AdmissionEngine>,
    /// Absent on an engine of a single node.
    pub membership: Option<Arc<Membership>>,
    /// Absent on an engine that cannot lose decisions.
    pub recoveries: Option<Arc<Recoveries>>,
    pub metrics: Arc<Metrics>,
}

impl GateKeeperDeps {
    /// One round before the node reports itself as ready.
    ///
    /// # Errors
    /// The catalogue or the engine does not answer.
    pub async fn first_round(&self) -> Result<(), FirstRoundError> {
        self.catalog.list(None, 1).await?;
        self.engine.revision().await?;
        if let Some(membership) = &self.membership {
            // From now on other nodes wait for this one. After a failure that begins with the next heartbeat.
            let server = connected_server(self.recoveries.as_deref()).await;
            let _sent = membership.heartbeat(server.as_deref()).await;
        }
        Keeper::new(self.clone()).round().await;
        Ok(())
    }
}

impl BackgroundTask for GateKeeperDeps {
    const KIND: &'static str = "gate-keeper";

    async fn run(self, mut stop: StopSignal) {
        let signal = self.registry.signal().clone();
        let mut keeper = Keeper::new(self);
        while !stop.is_set() {
            keeper.round().await;
            tokio::select! {
                _woken_or_not = timeout(ROUND, signal.woken()) => {}
                () = stop.wait() => {}
            }
        }
    }
}

/// The cause of a failed first round: the node does not start.
#[derive(Debug, thiserror::Error)]
pub enum FirstRoundError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}
