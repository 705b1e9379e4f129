//! The coupons that this node knows. A lookup is one atomic load; a change replaces the map.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::answer::IssueError;
use super::handle::CouponHandle;
use crate::actors::delivery::PublisherInbox;
use crate::actors::issuing::WakeSignal;
use crate::actors::issuing::coupon_actor::{Admission, CouponEventChild};
use crate::actors::runtime::Arbiters;
use crate::actors::runtime::{Supervise, SupervisorActor};
use crate::domain::{Coupon, CouponId};
use crate::gate::Trust;
use crate::ports::AdmissionEngine;
use crate::sync::Locked;
use crate::telemetry::Metrics;

/// The bounds of admission on one node.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// Requests that may wait for one coupon; the next one is shed with 503.
    pub queue_limit: usize,
    /// Bound on the engine's answer to one batch.
    pub engine_timeout: Duration,
}

/// The coupons of one node, and the dependencies of their actors.
pub struct CouponRegistry {
    coupons: ArcSwap<HashMap<CouponId, Arc<CouponHandle>>>,
    /// Coupons whose row in the catalogue cannot be read, with the error. They exist, so they are never "not found".
    unreadable: ArcSwap<HashMap<String, String>>,
    /// Held while the map is replaced, so that two insertions do not overwrite one another.
    replacing: Locked<()>,
    engine: Arc<dyn AdmissionEngine>,
    publisher: Option<PublisherInbox>,
    supervisor: Addr<SupervisorActor>,
    arbiters: Arc<Arbiters>,
    signal: WakeSignal,
    metrics: Arc<Metrics>,
    limits: AdmissionLimits,
    trust: Arc<Trust>,
    /// The node's own threads, on which batches run.
    runtime: Handle,
}

impl CouponRegistry {
    /// An empty registry. Batches run on the runtime in which this is called.
    #[must_use]
    pub fn new(
        engine: Arc<dyn AdmissionEngine>,
        publisher: Option<PublisherInbox>,
        supervisor: Addr<SupervisorActor>,
        arbiters: Arc<Arbiters>,
        metrics: Arc<Metrics>,
        limits: AdmissionLimits,
        trust: Arc<Trust>,
    ) -> Self {
        Self {
            coupons: ArcSwap::default(),
            unreadable: ArcSwap::default(),
            replacing: Locked::new(()),
            engine,
            publisher,
            supervisor,
            arbiters,
            signal: WakeSignal::default(),
            metrics,
            limits,
            trust,
            runtime: Handle::current(),
        }
    }

    #[must_use]
    pub fn find(&self, id: &CouponId) -> Option<Arc<CouponHandle>> {
        self.coupons.load().get(id).cloned()
    }

    /// Finds the coupon. If this node does not know it, the catalogue is read once more: another node may have created it.
    ///
    /// # Errors
    /// [`IssueError::Recovering`] if the coupon is not known here and the catalogue did not answer in time: it may exist.
    pub async fn find_or_refresh(&self, id: &CouponId) -> Result<Option<Arc<CouponHandle>>, IssueError> {
        if let Some(handle) = self.find(id) {
            return Ok(Some(handle));
        }
        let refreshed = self.signal.fresh_round().await;
        match self.find(id) {
            None if !refreshed || self.unreadable.load().contains_key(id.as_str()) => {
                Err(IssueError::Recovering)
            }
            found => Ok(found),
        }
    }

    /// Records the unreadable coupons of the catalogue, and logs each one that was readable until now.
    pub(crate) fn record_unreadable(&self, unreadable: HashMap<String, String>) {
        let before = self.unreadable.swap(Arc::new(unreadable));
        for (coupon, error) in self.unreadable.load().iter() {
            if !before.contains_key(coupon) {
                tracing::error!(
                    coupon,
                    error,
                    "a coupon in the catalogue cannot be read: requests for it are answered with 503"
                );
            }
        }
    }

    #[must_use]
    pub fn all(&self) -> Vec<Arc<CouponHandle>> {
        self.coupons.load().values().cloned().collect()
    }

    /// Requests that wait for a verdict, of all coupons.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.coupons.load().values().map(|handle| handle.waiting(self.limits.queue_limit)).sum()
    }

    #[must_use]
    pub fn signal(&self) -> &WakeSignal {
        &self.signal
    }

    /// Serves `coupon` on this node with these terms: starts its actor, or updates the terms of a known coupon.
    pub(crate) async fn ensure(&self, coupon: Coupon) -> Arc<CouponHandle> {
        if let Some(handle) = self.find(&coupon.id) {
            if *handle.coupon() != coupon {
                handle.set_coupon(coupon);
                handle.open_for_raised_total();
            }
            if !handle.is_alive() {
                // The task that inserted it may have been cancelled before it registered the actor with the supervisor.
                // Registering twice is a no-op.
                self.supervise(&handle).await;
            }
            return handle;
        }
        let handle = self.insert(coupon);
        self.supervise(&handle).await;
        handle
    }

    async fn supervise(&self, handle: &Arc<CouponHandle>) {
        let child = CouponEventChild {
            admission: Admission {
                handle: Arc::clone(handle),
                engine: Arc::clone(&self.engine),
                publisher: self.publisher.clone(),
                metrics: Arc::clone(&self.metrics),
                engine_timeout: self.limits.engine_timeout,
                runtime: self.runtime.clone(),
            },
            arbiter: self.arbiters.of(handle.id().as_str()),
            queue_limit: self.limits.queue_limit,
        };
        // The supervisor outlives every coupon; if it is gone, the node is shutting down.
        let _shutting_down = self.supervisor.send(Supervise(Box::new(child))).await;
    }

    fn insert(&self, coupon: Coupon) -> Arc<CouponHandle> {
        let _replacing = self.replacing.lock();
        let current = self.coupons.load_full();
        if let Some(handle) = current.get(&coupon.id) {
            return Arc::clone(handle);
        }
        let handle = Arc::new(CouponHandle::new(
            coupon,
            self.limits.queue_limit,
            self.signal.clone(),
            Arc::clone(&self.trust),
        ));
        let mut next = (*current).clone();
        next.insert(handle.id().clone(), Arc::clone(&handle));
        self.coupons.store(Arc::new(next));
        handle
    }
}
