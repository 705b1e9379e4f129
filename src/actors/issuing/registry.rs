//! Every coupon this node knows. Looking one up is one atomic load; changes replace the map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::answer::AskError;
use super::handle::CouponHandle;
use crate::actors::delivery::PublisherInbox;
use crate::actors::issuing::WakeSignal;
use crate::actors::issuing::coupon_actor::{Admission, CouponEventChild};
use crate::actors::runtime::Arbiters;
use crate::actors::runtime::{Supervise, SupervisorActor};
use crate::domain::{Coupon, CouponId};
use crate::gate::Trust;
use crate::ports::AdmissionEngine;
use crate::telemetry::Metrics;

/// The bounds of admission on one node.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// How many members may wait for one coupon; the next one is shed with 503.
    pub queue_limit: usize,
    /// How long the engine may take for one step.
    pub engine_timeout: Duration,
}

/// The coupons of one node, and what it takes to serve one more.
pub struct CouponRegistry {
    coupons: ArcSwap<HashMap<CouponId, Arc<CouponHandle>>>,
    /// Coupons of the catalogue that cannot be read, and why: nobody may say that there are none of these.
    unreadable: ArcSwap<HashMap<String, String>>,
    /// Held while the map is replaced, so that two newcomers do not overwrite one another.
    replacing: Mutex<()>,
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
    /// A registry that knows no coupon yet. Batches run on the runtime in which this is called.
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
            replacing: Mutex::new(()),
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

    /// The coupon of this id, if this node knows it.
    #[must_use]
    pub fn find(&self, id: &CouponId) -> Option<Arc<CouponHandle>> {
        self.coupons.load().get(id).cloned()
    }

    /// The coupon of this id; one this node does not know is looked for once in what other nodes may have created.
    ///
    /// # Errors
    /// [`AskError::Recovering`] if it is not known here and nobody could be asked in time: it may exist.
    pub async fn find_or_refresh(&self, id: &CouponId) -> Result<Option<Arc<CouponHandle>>, AskError> {
        if let Some(handle) = self.find(id) {
            return Ok(Some(handle));
        }
        let looked = self.signal.fresh_round().await;
        match self.find(id) {
            None if !looked || self.unreadable.load().contains_key(id.as_str()) => Err(AskError::Recovering),
            found => Ok(found),
        }
    }

    /// Notes which coupons of the catalogue cannot be read, and says so of each that could be until now.
    pub(crate) fn cannot_read(&self, unreadable: HashMap<String, String>) {
        let before = self.unreadable.swap(Arc::new(unreadable));
        for (coupon, why) in self.unreadable.load().iter() {
            if !before.contains_key(coupon) {
                tracing::error!(
                    coupon,
                    why,
                    "a coupon in the database cannot be read: nobody is answered who asks for it"
                );
            }
        }
    }

    /// Every coupon this node knows.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<CouponHandle>> {
        self.coupons.load().values().cloned().collect()
    }

    /// How many members wait on this node.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.coupons.load().values().map(|handle| handle.waiting(self.limits.queue_limit)).sum()
    }

    /// The way to wake the gate's keeper and to wait for it.
    #[must_use]
    pub fn signal(&self) -> &WakeSignal {
        &self.signal
    }

    /// Makes sure that `coupon` is served on this node, with these terms.
    pub(crate) async fn ensure(&self, coupon: Coupon) -> Arc<CouponHandle> {
        if let Some(handle) = self.find(&coupon.id) {
            if *handle.coupon() != coupon {
                handle.set_coupon(coupon);
                handle.expect_more();
            }
            if !handle.is_alive() {
                // Whoever inserted it may have been cut off before the supervisor heard of it, which takes a second word
                // for none.
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
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
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
