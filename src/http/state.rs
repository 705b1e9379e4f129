//! What every handler shares.

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

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The coupons of this node.
    pub registry: Arc<CouponRegistry>,
    /// What operators do.
    pub desk: CouponAdmin,
    /// What operators do with actors.
    pub actors: ActorAdmin,
    /// What could not be written; none where there is no queue.
    pub letters: Option<Arc<dyn DeadLetters>>,
    /// Numbers nobody knows the holder of; none where the engine cannot lose any.
    pub lost: Option<Arc<dyn LostNumbers>>,
    /// What contradicts the database.
    pub quarantine: Arc<dyn Quarantine>,
    /// Who decides; asked directly only for reads.
    pub engine: Arc<dyn AdmissionEngine>,
    /// How far an issuance must have got before its member is told.
    pub acks: Acks,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Compares engine, outbox and database.
    pub reconciler: Reconciler,
    /// How often anybody may ask.
    pub limits: Arc<RateLimiter>,
    /// The node as operators watch it.
    pub live: Live,
    /// Who is an operator.
    pub operators: Operators,
    /// How long a member waits at most.
    pub request_timeout: Duration,
    /// Whether members and operators are answered here; probes always are.
    pub serves_api: bool,
    /// Whether the node takes no new work.
    pub draining: Arc<AtomicBool>,
}

impl AppState {
    /// Whether the node takes no new work.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
