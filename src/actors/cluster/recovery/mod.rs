//! Recovery of an engine that may have lost something: every node stops and reports its knowledge of the coupon, then
//! one of them verifies the engine or rebuilds it from the database.
//!
//! The order matters. A node stops first (`halt_and_report`), so that no member hears of an issuance that its report
//! lacks. Then it inserts the issuances that members know from it into the database, and then it reports. The node with
//! the lease verifies the engine only when all living nodes have reported. Silence proves nothing: a silent node is
//! waited for until it counts as dead.

mod empty_queue;
mod leader;
mod lost;
mod participant;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use self::empty_queue::EmptyQueue;
use self::lost::LossDisplay;
use crate::actors::cluster::Lease;
use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::catch_panic::catch_panic_async;
use crate::actors::runtime::deadline::bounded;
use crate::domain::CouponId;
use crate::gate::GateView;
use crate::ports::{
    BusError, CatalogError, ClusterError, CouponCatalog, EngineError, EngineRecovery, EventBus,
    HighWatermark, IssuanceStore, Loss, LossError, LostNumbers, OpenRecovery, Round, StoreError,
};
use crate::sync::Locked;
use crate::telemetry::Metrics;

/// Another node leads this long after the leader died.
const LEASE_PERIOD: Duration = Duration::from_secs(4);
/// Steps of different coupons at the same time on this node.
const MAX_STEPS: usize = 4;
/// Between two log lines on the missing condition of one recovery.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// A coupon that the engine does not know counts as lost after this: while one is being created, it is in the catalogue
/// for a moment before it is in the engine.
const LOST_AFTER: Duration = Duration::from_secs(1);

/// The services and stores of recoveries.
#[derive(Clone)]
pub struct RecoveryDeps {
    pub membership: Arc<Membership>,
    pub engine: Arc<dyn EngineRecovery>,
    pub catalog: Arc<dyn CouponCatalog>,
    pub store: Arc<dyn IssuanceStore>,
    pub lost: Arc<dyn LostNumbers>,
    pub bus: Arc<dyn EventBus>,
    pub metrics: Arc<Metrics>,
}

/// The recoveries that this node takes part in.
pub struct Recoveries {
    deps: RecoveryDeps,
    state: Locked<State>,
    /// Makes this node the leader of every open recovery.
    lease: tokio::sync::Mutex<Lease>,
    /// Bounds the load on the database when many coupons are recovered at once.
    step_permits: Semaphore,
    /// The steps run here, since a long one must not delay the gate keeper.
    runtime: Handle,
}

#[derive(Default)]
struct State {
    open: HashMap<CouponId, Open>,
    /// Coupons with a step under way on this node.
    running: HashSet<CouponId>,
    /// The start of the engine's `UnknownCoupon` answers.
    unknown_since: HashMap<CouponId, Instant>,
    empty_queue: HashMap<CouponId, EmptyQueue>,
    /// The last log line on the missing condition of a recovery.
    logged_at: HashMap<CouponId, Instant>,
}

#[derive(Clone, Copy)]
struct Open {
    round: Round,
    /// This node's report is stored.
    reported: bool,
    /// The cluster has ended the recovery: this node may resume.
    ended: bool,
    since: Instant,
}

impl Open {
    fn new(round: Round) -> Self {
        Self { round, reported: false, ended: false, since: Instant::now() }
    }
}

/// The cause of a step that did not finish; the keeper's next round repeats it.
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
    LostNumbers(#[from] LossError),
    #[error("{}", LossDisplay(.0))]
    Lost(Loss),
    #[error("{0}")]
    Waiting(String),
}

impl Recoveries {
    /// Runs steps on the runtime of the caller.
    #[must_use]
    pub fn new(deps: RecoveryDeps) -> Arc<Self> {
        let lease = Lease::new("recover", LEASE_PERIOD, Some(Arc::clone(&deps.membership)));
        let step_permits = Semaphore::new(MAX_STEPS);
        Arc::new(Self {
            deps,
            state: Locked::default(),
            lease: tokio::sync::Mutex::new(lease),
            step_permits,
            runtime: Handle::current(),
        })
    }

    /// Whether this node knows of an open recovery of `coupon`.
    pub(crate) fn is_open(&self, coupon: &CouponId) -> bool {
        self.state.lock().open.contains_key(coupon)
    }

    /// Whether the engine's `UnknownCoupon` is a loss, and not a coupon that is being created.
    pub(crate) fn is_lost(&self, handle: &CouponHandle) -> bool {
        if handle.last_issued() > 0 {
            return true;
        }
        let since = *self.state.lock().unknown_since.entry(handle.id().clone()).or_insert_with(Instant::now);
        since.elapsed() >= LOST_AFTER
    }

    /// Drops the issuances that the database holds from this node's memory.
    pub(crate) async fn forget_stored(&self, coupon: &CouponId) {
        let Some(first) = self.deps.engine.first_unconfirmed(coupon) else { return };
        let watermark = self.deps.store.watermark(coupon, first.saturating_sub(1));
        // Without an answer they stay until the next round.
        if let Ok(watermark) = bounded(watermark).await {
            self.deps.engine.forget_through(coupon, watermark);
        }
    }

    /// Closes the gate of a coupon and starts the next step of its recovery, unless one is under way.
    pub(crate) fn attend(self: &Arc<Self>, handle: &Arc<CouponHandle>) {
        handle.gate().set(GateView::Recovering);
        if !self.state.lock().running.insert(handle.id().clone()) {
            return;
        }
        let (recoveries, handle) = (Arc::clone(self), Arc::clone(handle));
        self.runtime.spawn(async move {
            let outcome = catch_panic_async(recoveries.step(&handle)).await;
            recoveries.state.lock().running.remove(handle.id());
            match outcome {
                Ok(Ok(())) => handle.refresh_now(),
                Ok(Err(error)) => {
                    recoveries.log_waiting(handle.id(), &error);
                    handle.refresh_next_round();
                }
                Err(panic) => {
                    tracing::error!(coupon = %handle.id(), error = %panic, "a step of a recovery panicked; it is repeated");
                    handle.refresh_next_round();
                }
            }
        });
    }

    /// Records the open recoveries in the reply to a heartbeat sent at `sent_at`; gives the coupons that are new to
    /// this node.
    pub(crate) fn record_open(&self, open: Vec<OpenRecovery>, sent_at: Instant) -> Vec<CouponId> {
        let mut state = self.state.lock();
        let mut new = Vec::new();
        let open: HashMap<CouponId, Round> = open.into_iter().map(|open| (open.coupon, open.round)).collect();
        for (coupon, known) in &mut state.open {
            let is_open = open.get(coupon).is_some_and(|round| *round == known.round);
            // The reply cannot contain a recovery that began after the heartbeat was sent.
            known.ended |= !is_open && known.since < sent_at;
        }
        for (coupon, round) in open {
            if state.open.get(&coupon).is_none_or(|known| known.round < round) {
                state.open.insert(coupon.clone(), Open::new(round));
                new.push(coupon);
            }
        }
        new
    }

    /// Warns of the missing condition of a recovery, for each coupon once in [`LOG_INTERVAL`].
    fn log_waiting(&self, coupon: &CouponId, error: &RecoveryError) {
        tracing::debug!(%coupon, %error, "a recovery waits");
        let mut state = self.state.lock();
        let Some(open) = state.open.get(coupon).filter(|open| open.since.elapsed() >= LOG_INTERVAL) else {
            return;
        };
        let open_for_s = open.since.elapsed().as_secs();
        if state.logged_at.get(coupon).is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            state.logged_at.insert(coupon.clone(), Instant::now());
            tracing::warn!(%coupon, %error, open_for_s, "nothing is issued: the engine is not trusted yet");
        }
    }

    /// Lets another node lead at once.
    pub(crate) async fn release_lease(&self) {
        self.lease.lock().await.release().await;
    }

    /// Reports in the recovery of a coupon that this node does not serve that it knows no issuance.
    pub(crate) async fn report_nothing(&self, coupon: &CouponId) {
        let Some(open) = self.state.lock().open.remove(coupon) else { return };
        let open = OpenRecovery { coupon: coupon.clone(), round: open.round };
        self.deps.engine.halt_and_report(coupon);
        let membership = &self.deps.membership;
        let report = membership.cluster().report(&open, membership.node(), HighWatermark::default());
        // After a failure the next heartbeat names the recovery again.
        let _reported = bounded(report).await;
    }
}
