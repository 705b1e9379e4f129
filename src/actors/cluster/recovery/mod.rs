//! What a node does when the engine may have lost something: it stops, tells the other nodes what it knows, and goes on
//! once one of them has verified the engine or rebuilt it from the database.
//!
//! The order matters. A node first stops (`halt_and_report`), so that nothing is told that no testimony has; then writes what it
//! told members into the database; then says how far it knows. Only when all who live have spoken may one node, the one
//! with the lease, judge the engine. Nobody concludes from silence: who was silent is waited for until it counts as dead.

mod attend;
mod lead;
mod lost;
mod quiet;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::lost::LossDisplay;
use self::quiet::Quiet;
use crate::actors::cluster::Lease;
use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::catch_panic::catch_panic_async;
use crate::domain::CouponId;
use crate::gate::GateView;
use crate::ports::{
    BusError, CatalogError, ClusterError, CouponCatalog, EngineError, EngineRecovery, EventBus,
    HighWatermark, IssuanceStore, Loss, LossError, LostNumbers, OpenRecovery, Round, StoreError,
};
use crate::telemetry::Metrics;

/// How long one question may take before the recovery is tried again.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the right to judge engines lasts: so much later another node judges after a dead one.
const LEAD_PERIOD: Duration = Duration::from_secs(4);
/// Recoveries of which this node does a step at the same time.
const MAX_STEPS: usize = 4;
/// How often it is told what a recovery waits for.
const TOLD_AFTER: Duration = Duration::from_secs(5);
/// How long the engine must not know a coupon before it counts as lost. Whoever creates one tells the catalogue first.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// What recoveries are made of.
#[derive(Clone)]
pub struct RecoveryDeps {
    /// This node among the others.
    pub peers: Arc<Membership>,
    /// What is recovered.
    pub engine: Arc<dyn EngineRecovery>,
    /// What operators have said of each coupon.
    pub catalog: Arc<dyn CouponCatalog>,
    /// Against which it is verified, and from which it is rebuilt.
    pub store: Arc<dyn IssuanceStore>,
    /// The account of what nobody knows any more.
    pub lost: Arc<dyn LostNumbers>,
    /// Asked whether anything is still on its way into the database.
    pub bus: Arc<dyn EventBus>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The recoveries that this node takes part in.
pub struct Recoveries {
    parts: RecoveryDeps,
    state: Mutex<State>,
    /// Whether this node is the one that judges.
    leads: tokio::sync::Mutex<Lease>,
    /// However many coupons are doubted at once, the database has other things to do as well.
    turns: Semaphore,
    /// Where they run: a long one must not hold up the gate's keeper.
    runtime: Handle,
}

#[derive(Default)]
struct State {
    /// Those of which this node has heard, and whether it has said what it knows.
    open: HashMap<CouponId, Open>,
    /// Coupons somebody is busy with on this node.
    underway: HashSet<CouponId>,
    /// Since when the engine does not know a coupon.
    unknown: HashMap<CouponId, Instant>,
    quiet: HashMap<CouponId, Quiet>,
    /// When it was last told what a recovery waits for.
    told: HashMap<CouponId, Instant>,
}

#[derive(Clone, Copy)]
struct Open {
    round: Round,
    /// Whether this node has said what it knows.
    testified: bool,
    /// Whether it has ended, so that this node may go on.
    ended: bool,
    since: Instant,
}

impl Open {
    fn now(round: Round) -> Self {
        Self { round, testified: false, ended: false, since: Instant::now() }
    }
}

/// Why a recovery goes no further for now; it is tried again.
#[derive(Debug, thiserror::Error)]
enum RecoveryError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Account(#[from] LossError),
    #[error("{}", LossDisplay(.0))]
    Lost(Loss),
    #[error("{0} did not answer in time")]
    Silent(&'static str),
    #[error("{0}")]
    Waiting(String),
}

impl Recoveries {
    /// No recovery yet. They run on the runtime in which this is called.
    #[must_use]
    pub fn new(parts: RecoveryDeps) -> Arc<Self> {
        let (cluster, node) = (Arc::clone(parts.peers.cluster()), parts.peers.node().clone());
        let leads = tokio::sync::Mutex::new(Lease::new("recover", LEAD_PERIOD, cluster, node));
        let (state, turns) = (Mutex::default(), Semaphore::new(MAX_STEPS));
        Arc::new(Self { parts, state, leads, turns, runtime: Handle::current() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this node has heard that `coupon` is doubted.
    pub(crate) fn is_open(&self, coupon: &CouponId) -> bool {
        self.state().open.contains_key(coupon)
    }

    /// Whether the engine has lost a coupon that it does not know now.
    pub(crate) fn is_lost(&self, handle: &CouponHandle) -> bool {
        if handle.last_issued() > 0 {
            return true;
        }
        let since = *self.state().unknown.entry(handle.id().clone()).or_insert_with(Instant::now);
        since.elapsed() >= LOST_AFTER
    }

    /// Lets this node forget what the database has by now.
    pub(crate) async fn settle(&self, coupon: &CouponId) {
        let Some(first) = self.parts.engine.first_unconfirmed(coupon) else { return };
        let watermark = self.parts.store.watermark(coupon, first.saturating_sub(1));
        // Without an answer it is kept in mind until the next time.
        if let Ok(Ok(watermark)) = timeout(QUESTION_TIMEOUT, watermark).await {
            self.parts.engine.forget_through(coupon, watermark);
        }
    }

    /// Closes the gate of a coupon that is doubted and does the next step of its recovery, unless one is being done.
    pub(crate) fn attend(self: &Arc<Self>, handle: &Arc<CouponHandle>) {
        handle.gate().set(GateView::Recovering);
        if !self.state().underway.insert(handle.id().clone()) {
            return;
        }
        let (recoveries, handle) = (Arc::clone(self), Arc::clone(handle));
        self.runtime.spawn(async move {
            let done = catch_panic_async(recoveries.step(&handle)).await;
            recoveries.state().underway.remove(handle.id());
            match done {
                Ok(Ok(())) => handle.refresh_now(),
                Ok(Err(error)) => {
                    recoveries.waits(handle.id(), &error);
                    handle.refresh_next_round();
                }
                Err(why) => {
                    tracing::error!(coupon = %handle.id(), error = %why, "a step of a recovery failed");
                    handle.refresh_next_round();
                }
            }
        });
    }

    /// Takes note of the recoveries that were under way when a beat that began at `begun` was heard; gives the coupons that
    /// are newly doubted.
    pub(crate) fn heard(&self, open: Vec<OpenRecovery>, begun: Instant) -> Vec<CouponId> {
        let mut state = self.state();
        let mut new = Vec::new();
        let open: HashMap<CouponId, Round> = open.into_iter().map(|open| (open.coupon, open.round)).collect();
        for (coupon, known) in &mut state.open {
            let is_open = open.get(coupon).is_some_and(|round| *round == known.round);
            // One that began only after the beat cannot have been heard of.
            known.ended |= !is_open && known.since < begun;
        }
        for (coupon, round) in open {
            if state.open.get(&coupon).is_none_or(|known| known.round < round) {
                state.open.insert(coupon.clone(), Open::now(round));
                new.push(coupon);
            }
        }
        new
    }

    /// Tells every few seconds what a recovery waits for.
    fn waits(&self, coupon: &CouponId, error: &RecoveryError) {
        tracing::debug!(%coupon, %error, "a recovery waits");
        let mut state = self.state();
        let Some(open) = state.open.get(coupon).filter(|open| open.since.elapsed() >= TOLD_AFTER) else {
            return;
        };
        let open_for_s = open.since.elapsed().as_secs();
        if state.told.get(coupon).is_none_or(|told| told.elapsed() >= TOLD_AFTER) {
            state.told.insert(coupon.clone(), Instant::now());
            tracing::warn!(%coupon, %error, open_for_s, "nothing is issued: the engine is not trusted yet");
        }
    }

    /// Lets another node judge at once.
    pub(crate) async fn stand_down(&self) {
        self.leads.lock().await.give_back().await;
    }

    /// Says in the recovery of a coupon this node does not serve that it knows nothing.
    pub(crate) async fn know_nothing_of(&self, coupon: &CouponId) {
        let Some(open) = self.state().open.remove(coupon) else { return };
        let open = OpenRecovery { coupon: coupon.clone(), round: open.round };
        self.parts.engine.halt_and_report(coupon);
        let peers = &self.parts.peers;
        let said = peers.cluster().halt_and_report(&open, peers.node(), HighWatermark::default());
        // Unheard, it is asked again by the next beat.
        let _unheard = timeout(QUESTION_TIMEOUT, said).await;
    }
}

/// Bounds one question.
async fn within<T, E>(
    whom: &'static str,
    question: impl Future<Output = Result<T, E>>,
) -> Result<T, RecoveryError>
where
    RecoveryError: From<E>,
{
    timeout(QUESTION_TIMEOUT, question).await.map_err(|_| RecoveryError::Silent(whom))?.map_err(Into::into)
}
