//! VitalsActor: looks every second how the coupons, the actors and the services around the node are, for whoever scrapes it.
//!
//! Nobody waits for it and nothing is decided by what it sees. Every question has a bound, and services are asked at the
//! same time, so that one that is silent holds up no other.

mod sample;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::actors::delivery::PublisherInbox;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::actors::upkeep::metrics_sampler::sample::Sample;
use crate::fault_injection::panics;
use crate::ports::{AdmissionEngine, Cluster, ConnectionPool, Outbox, QueueWatch};
use crate::telemetry::Metrics;

/// From one look to the next.
const ROUND: Duration = Duration::from_secs(1);

/// Looks how everything is.
pub type MetricsSamplerActor = BackgroundActor<MetricsSamplerDeps>;

/// What is looked at.
#[derive(Clone)]
pub struct MetricsSamplerDeps {
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
    pub stack: Option<SampledStack>,
}

/// What is looked at on the full stack.
#[derive(Clone)]
pub struct SampledStack {
    /// Asked whether PostgreSQL answers.
    pub postgres: Arc<dyn Cluster>,
    /// Asked how full the queues are.
    pub queues: Arc<dyn QueueWatch>,
    /// What has been decided and is on its way.
    pub outbox: Arc<dyn Outbox>,
    /// Whose mailbox is looked at.
    pub publisher: PublisherInbox,
}

impl BackgroundTask for MetricsSamplerDeps {
    const KIND: &'static str = "vitals";

    async fn run(self, mut leave: StopSignal) {
        let mut look = Sample::new(self);
        while !leave.is_set() {
            panics::visit(Self::KIND, "look");
            // Given up without harm when the node stops.
            tokio::select! {
                () = look.once() => {}
                () = leave.wait() => return,
            }
            let _rested_or_leaving = timeout(ROUND, leave.wait()).await;
        }
    }
}
