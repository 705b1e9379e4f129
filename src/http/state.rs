//! The state that all handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::live::Live;
use super::operators::Operators;
use super::rate_limits::RateLimiter;
use crate::actors::issuing::{Acks, CouponRegistry};
use crate::actors::reconcile::Reconciler;
use crate::actors::runtime::ActorAdmin;
use crate::actors::upkeep::CouponAdmin;
use crate::ports::{AdmissionEngine, DeadLetters, LostNumbers, Quarantine};
use crate::telemetry::Metrics;

/// The state that all handlers share; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub registry: Arc<CouponRegistry>,
    pub coupons: CouponAdmin,
    pub actors: ActorAdmin,
    /// Absent on an engine without a queue.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// Absent on an engine that cannot lose numbers.
    pub lost_numbers: Option<Arc<dyn LostNumbers>>,
    pub quarantine: Arc<dyn Quarantine>,
    /// Used for reads; issue requests go through `registry`.
    pub engine: Arc<dyn AdmissionEngine>,
    pub acks: Acks,
    pub metrics: Arc<Metrics>,
    pub reconciler: Reconciler,
    pub rate_limiter: Arc<RateLimiter>,
    pub live: Live,
    pub operators: Operators,
    /// Upper bound of a member's wait.
    pub request_timeout: Duration,
    /// Whether the node has the role api. Without it the node serves operators and probes alone.
    pub serves_api: bool,
    /// Set when the node takes no new work.
    pub draining: Arc<AtomicBool>,
}

impl AppState {
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
