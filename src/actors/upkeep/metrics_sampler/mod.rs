//! VitalsActor: looks every second how the coupons, the actors and the services around the node are, for whoever scrapes it.
//!
//! Nobody waits for it and nothing is decided by what it sees. Every question has a bound, and services are asked at the
//! same time, so that one that is silent holds up no other.

mod look;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::actors::upkeep::metrics_sampler::sample::Look;
use crate::fault_injection::panics;
use crate::actors::runtime::background_actor::{LoopActor, LoopWork};
use crate::actors::delivery::publisher::PublisherInbox;
use crate::actors::issuing::registry::CouponRegistry;
use crate::actors::runtime::supervisor::Leave;
use crate::ports::{AdmissionEngine, Cluster, ConnectionPool, Outbox, QueueWatch};
use crate::telemetry::Metrics;

/// From one look to the next.
const ROUND: Duration = Duration::from_secs(1);

/// Looks how everything is.
pub type VitalsActor = LoopActor<VitalsParts>;

/// What is looked at.
#[derive(Clone)]
pub struct VitalsParts {
    /// Whose coupons and mailboxes are looked at.
    pub registry: Arc<CouponRegistry>,
    /// Where it is written.
    pub metrics: Arc<Metrics>,
    /// Who decides.
    pub engine: Arc<dyn AdmissionEngine>,
    /// The service in which the engine keeps what it decides.
    pub engine_service: &'static str,
    /// Pools of connections to PostgreSQL, by name.
    pub pools: Vec<(&'static str, Arc<dyn ConnectionPool>)>,
    /// What there is besides on the full stack.
    pub stack: Option<VitalsStack>,
}

/// What is looked at on the full stack.
#[derive(Clone)]
pub struct VitalsStack {
    /// Asked whether PostgreSQL answers.
    pub postgres: Arc<dyn Cluster>,
    /// Asked how full the queues are.
    pub queues: Arc<dyn QueueWatch>,
    /// What has been decided and is on its way.
    pub outbox: Arc<dyn Outbox>,
    /// Whose mailbox is looked at.
    pub publisher: PublisherInbox,
}

impl LoopWork for VitalsParts {
    const KIND: &'static str = "vitals";

    async fn run(self, mut leave: Leave) {
        let mut look = Look::new(self);
        while !leave.is_due() {
            fail_point::visit(Self::KIND, "look");
            // Given up without harm when the node stops.
            tokio::select! {
                () = look.once() => {}
                () = leave.due() => return,
            }
            let _rested_or_leaving = timeout(ROUND, leave.due()).await;
        }
    }
}
