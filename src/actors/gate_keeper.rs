//! GateKeeperActor: keeps every gate of the node in step with the engine, and notices what other nodes have changed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::contain::Contained;
use super::fail_point;
use super::handle::{CouponHandle, here_now};
use super::registry::CouponRegistry;
use super::supervisor::{Child, DeathNote};
use crate::domain::{Coupon, Rejection, Sequence, Standing};
use crate::gate::{GateView, WinnerFilter};
use crate::ports::{AdmissionEngine, CatalogError, CouponCatalog, EngineError, IssuanceStore};
use crate::telemetry::Metrics;

/// The actor's kind in metrics and lists.
const KIND: &str = "gate-keeper";
/// How often the engine is asked whether anything has changed. Half of it is the mean delay of a change elsewhere.
const ROUND: Duration = Duration::from_millis(200);
/// How often everything is looked at even if nothing seems to have changed.
const FULL_ROUND: Duration = Duration::from_secs(2);
/// How long one question may take before the round goes on without it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long someone waits for a round that began after they asked.
const FRESH_WITHIN: Duration = Duration::from_millis(500);
/// Coupons read from the catalogue at a time.
const CATALOG_PAGE: u32 = 500;

/// Wakes the keeper, and tells when it has been round.
#[derive(Debug, Clone)]
pub struct KeeperSignal {
    wake: Arc<Notify>,
    rounds: watch::Sender<u64>,
}

impl Default for KeeperSignal {
    fn default() -> Self {
        Self { wake: Arc::new(Notify::new()), rounds: watch::Sender::new(0) }
    }
}

impl KeeperSignal {
    /// Makes the next round begin at once. Many nudges make one round.
    pub fn nudge(&self) {
        self.wake.notify_one();
    }

    /// Waits for a round that began after this call, or for half a second.
    pub async fn fresh_round(&self) {
        let mut rounds = self.rounds.subscribe();
        let seen = *rounds.borrow_and_update();
        self.nudge();
        // The round under way may have begun earlier; the one after it did not.
        let both = async {
            loop {
                if *rounds.borrow_and_update() >= seen + 2 {
                    return;
                }
                self.nudge();
                if rounds.changed().await.is_err() {
                    return;
                }
            }
        };
        let _late = timeout(FRESH_WITHIN, both).await;
    }

    fn round_done(&self) {
        self.rounds.send_modify(|rounds| *rounds += 1);
    }
}

/// The keeper's logic, without the actor around it.
pub(super) struct Keeper {
    pub(super) registry: Arc<CouponRegistry>,
    pub(super) catalog: Arc<dyn CouponCatalog>,
    pub(super) engine: Arc<dyn AdmissionEngine>,
    pub(super) store: Arc<dyn IssuanceStore>,
    pub(super) metrics: Arc<Metrics>,
    /// The engine's revision when everything was last looked at.
    revision: Option<u64>,
    looked_at_all: Option<Instant>,
    /// Whether the catalogue's silence has been told already.
    catalog_silent: bool,
}

impl Keeper {
    /// Once around: everything if something changed or it is time, else only what wants a look.
    async fn round(&mut self) {
        fail_point::visit(KIND, "round");
        let revision = within(self.engine.revision()).await.ok();
        let due = self.looked_at_all.is_none_or(|at| at.elapsed() >= FULL_ROUND);
        let all = due || (revision.is_some() && revision != self.revision);
        if all {
            self.read_catalog().await;
            self.looked_at_all = Some(Instant::now());
            self.revision = revision.or(self.revision);
        }
        for handle in self.registry.all() {
            if handle.take_wish_to_look() || all {
                self.look(&handle).await;
            }
        }
        self.metrics.waiting.set(i64::try_from(self.registry.waiting()).unwrap_or(i64::MAX));
        self.registry.signal().round_done();
    }

    async fn read_catalog(&mut self) {
        let mut after = None;
        loop {
            match timeout(QUESTION_TIMEOUT, self.catalog.list(after.as_ref(), CATALOG_PAGE)).await {
                Ok(Ok(page)) => {
                    self.catalog_silent = false;
                    let is_last = page.len() < CATALOG_PAGE as usize;
                    after = page.last().map(|coupon| coupon.id.clone());
                    for coupon in page {
                        self.registry.ensure(coupon).await;
                    }
                    if is_last {
                        return;
                    }
                }
                Ok(Err(error)) => return self.catalog_is_silent(&error.to_string()),
                Err(_elapsed) => return self.catalog_is_silent("no answer in time"),
            }
        }
    }

    fn catalog_is_silent(&mut self, why: &str) {
        if !std::mem::replace(&mut self.catalog_silent, true) {
            tracing::warn!(%why, "the catalogue cannot be read; known coupons go on being served");
        }
    }

    async fn look(&self, handle: &Arc<CouponHandle>) {
        let looked = match within(self.engine.standing(handle.id())).await {
            Ok(standing) => self.fit_gate(handle, standing).await,
            Err(EngineError::UnknownCoupon) => self.load(handle).await,
            Err(EngineError::Fenced(_)) => self.verify(handle).await,
            // The gate stays as it is: sold out remains true while the engine is away.
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            tracing::debug!(coupon = %handle.id(), %error, "a coupon could not be looked at");
        }
    }

    async fn fit_gate(&self, handle: &CouponHandle, standing: Standing) -> Result<(), EngineError> {
        match standing.rejection() {
            None => handle.gate().set(GateView::Open),
            Some(Rejection::NotOpen) => {
                let wait = standing.window.opens_at().ms_since(standing.now);
                let opens_at_here = here_now().plus_ms(i64::try_from(wait).unwrap_or(i64::MAX));
                handle.gate().set(GateView::NotOpen { opens_at_here });
            }
            Some(rejection) => self.halt(handle, standing, rejection).await?,
        }
        let halted = handle.gate().halted().is_some();
        self.metrics.coupon_seen(handle.id().as_str(), standing.inventory.remaining(), halted);
        handle.saw(standing);
        Ok(())
    }

    /// Lets only winners pass. Until all of them are known, everybody passes and the engine says no by itself.
    async fn halt(
        &self,
        handle: &CouponHandle,
        standing: Standing,
        rejection: Rejection,
    ) -> Result<(), EngineError> {
        let issued = standing.inventory.issued() as usize;
        let gate = handle.gate();
        if gate.halted() == Some(rejection) && gate.winners() == issued {
            return Ok(());
        }
        let winners = self.winners(handle).await?;
        if winners.len() == issued {
            gate.set(GateView::Halted { rejection, winners });
        } else {
            // Somebody changed the coupon while it was read: the next round reads it again.
            gate.set(GateView::Open);
            handle.look_later();
        }
        Ok(())
    }

    async fn winners(&self, handle: &CouponHandle) -> Result<WinnerFilter, EngineError> {
        let (mut members, mut cursor) = (HashSet::new(), 0);
        loop {
            let page = within(self.engine.winners(handle.id(), cursor)).await?;
            members.extend(page.members);
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(WinnerFilter::of(members.iter())),
            }
        }
    }

    /// A coupon the engine does not know is loaded if nothing has ever been issued of it.
    async fn load(&self, handle: &Arc<CouponHandle>) -> Result<(), EngineError> {
        let coupon: Coupon = (*handle.coupon()).clone();
        let loaded = within(self.engine.load(&coupon)).await;
        if matches!(loaded, Err(EngineError::Fenced(_))) {
            handle.gate().set(GateView::Recovering);
        }
        loaded?;
        let standing = within(self.engine.standing(handle.id())).await?;
        self.fit_gate(handle, standing).await
    }

    /// A fenced engine is accepted again once the database proves that it lost nothing.
    async fn verify(&self, handle: &Arc<CouponHandle>) -> Result<(), EngineError> {
        handle.gate().set(GateView::Recovering);
        let rows: Sequence = match timeout(QUESTION_TIMEOUT, self.store.highest(handle.id())).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => return Err(EngineError::Unavailable(error.into())),
            Err(_elapsed) => {
                return Err(EngineError::Unavailable("the database did not answer in time".into()));
            }
        };
        within(self.engine.verify(handle.id(), rows)).await?;
        tracing::info!(coupon = %handle.id(), rows, "the engine has been verified; the gate opens");
        let standing = within(self.engine.standing(handle.id())).await?;
        self.fit_gate(handle, standing).await
    }
}

async fn within<T>(question: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    timeout(QUESTION_TIMEOUT, question)
        .await
        .unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into())))
}

/// The shell around the keeper.
pub struct GateKeeperActor {
    keeper: Option<Keeper>,
    note: DeathNote,
}

impl Contained for GateKeeperActor {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl Actor for GateKeeperActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(mut keeper) = self.keeper.take() else { return ctx.stop() };
        self.run_contained(ctx, async move {
            let signal = keeper.registry.signal().clone();
            loop {
                keeper.round().await;
                let _nudged_or_not = timeout(ROUND, signal.wake.notified()).await;
            }
        });
    }
}

/// Makes the keeper of a node.
pub struct GateKeeperChild {
    registry: Arc<CouponRegistry>,
    catalog: Arc<dyn CouponCatalog>,
    engine: Arc<dyn AdmissionEngine>,
    store: Arc<dyn IssuanceStore>,
    metrics: Arc<Metrics>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<GateKeeperActor>>,
}

impl GateKeeperActor {
    /// What the supervisor needs to keep a keeper alive on `arbiter`.
    #[must_use]
    pub fn child(
        registry: Arc<CouponRegistry>,
        catalog: Arc<dyn CouponCatalog>,
        engine: Arc<dyn AdmissionEngine>,
        store: Arc<dyn IssuanceStore>,
        metrics: Arc<Metrics>,
        arbiter: ArbiterHandle,
    ) -> GateKeeperChild {
        GateKeeperChild {
            registry,
            catalog,
            engine,
            store,
            metrics,
            arbiter,
            address: ArcSwapOption::empty(),
        }
    }
}

impl GateKeeperChild {
    /// Goes round once, before the node says that it is ready.
    ///
    /// # Errors
    /// The catalogue's or the engine's word, if either cannot be asked.
    pub async fn first_round(&self) -> Result<(), FirstRoundError> {
        self.catalog.list(None, 1).await?;
        self.engine.revision().await?;
        self.keeper().round().await;
        Ok(())
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            registry: Arc::clone(&self.registry),
            catalog: Arc::clone(&self.catalog),
            engine: Arc::clone(&self.engine),
            store: Arc::clone(&self.store),
            metrics: Arc::clone(&self.metrics),
            revision: None,
            looked_at_all: None,
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

    fn start(&self, note: DeathNote) {
        let keeper = self.keeper();
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
