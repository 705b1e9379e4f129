//! GateKeeperActor: keeps every gate of the node in step with the engine, and notices what other nodes have changed.

mod keeper;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio::time::timeout;

use self::keeper::Keeper;
use crate::actors::cluster::Membership;
use crate::actors::cluster::Recoveries;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::catch_panic::PanicBoundary;
use crate::actors::runtime::{Child, ExitNotice, StopSignal};
use crate::ports::{AdmissionEngine, CatalogError, CouponCatalog, EngineError};
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "gate-keeper";
/// How often the engine is asked whether anything has changed. Half of it is the mean delay of a change elsewhere.
const ROUND: Duration = Duration::from_millis(200);

/// The shell around the keeper.
pub struct GateKeeperActor {
    keeper: Option<(Keeper, StopSignal)>,
    note: ExitNotice,
}

impl PanicBoundary for GateKeeperActor {
    fn failed(&mut self, why: String) {
        self.note.set_reason(why);
    }
}

impl Actor for GateKeeperActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((mut keeper, mut leave)) = self.keeper.take() else { return ctx.stop() };
        self.run_guarded(ctx, async move {
            let signal = keeper.parts.registry.signal().clone();
            while !leave.is_set() {
                keeper.round().await;
                tokio::select! {
                    _woken_or_timer = timeout(ROUND, signal.woken()) => {}
                    () = leave.wait() => {}
                }
            }
        });
    }
}

/// What a keeper works with.
#[derive(Clone)]
pub struct GateKeeperDeps {
    /// Whose gates are kept.
    pub registry: Arc<CouponRegistry>,
    /// What coupons there are.
    pub catalog: Arc<dyn CouponCatalog>,
    /// What says how they stand.
    pub engine: Arc<dyn AdmissionEngine>,
    /// This node among the others, if there can be any.
    pub peers: Option<Arc<Membership>>,
    /// How a lost engine is recovered, if it can be lost.
    pub recoveries: Option<Arc<Recoveries>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Makes the keeper of a node.
pub struct GateKeeperChild {
    parts: GateKeeperDeps,
    stopping: watch::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<GateKeeperActor>>,
}

impl GateKeeperActor {
    /// What the supervisor needs to keep a keeper alive on `arbiter`; it ends when `stopping` becomes true.
    #[must_use]
    pub fn child(
        parts: GateKeeperDeps,
        stopping: watch::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> GateKeeperChild {
        GateKeeperChild { parts, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

impl GateKeeperChild {
    /// Goes round once, before the node says that it is ready.
    ///
    /// # Errors
    /// The catalogue's or the engine's word, if either cannot be asked.
    pub async fn first_round(&self) -> Result<(), FirstRoundError> {
        self.parts.catalog.list(None, 1).await?;
        self.parts.engine.revision().await?;
        if let Some(peers) = &self.parts.peers {
            // Others wait for this node from now on. Unheard, it is heard a little later.
            let _unheard = peers.heartbeat().await;
        }
        self.keeper().round().await;
        Ok(())
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            parts: self.parts.clone(),
            revision: None,
            looked_at_all: None,
            catalog_revision: None,
            catalog_silent: false,
        }
    }
}

/// Why a node cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum FirstRoundError {
    /// The catalogue cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The engine cannot be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Child for GateKeeperChild {
    fn name(&self) -> String {
        KIND.to_owned()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: ExitNotice) {
        let keeper = (self.keeper(), StopSignal::of(&self.stopping, &note));
        let actor = GateKeeperActor::start_in_arbiter(&self.arbiter, move |_| GateKeeperActor {
            keeper: Some(keeper),
            note,
        });
        self.address.store(Some(Arc::new(actor)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
