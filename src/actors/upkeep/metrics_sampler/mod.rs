//! MetricsSamplerActor: measures coupons, mailboxes and services every second, for the metrics.
//!
//! No decision depends on the samples. Every question has a bound, and the services are asked at the same time, so that
//! a silent one delays no other.

mod sample;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::actors::delivery::PublisherInbox;
use crate::actors::issuing::CouponRegistry;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::actors::upkeep::metrics_sampler::sample::Sampler;
use crate::fault_injection::panics;
use crate::ports::{AdmissionEngine, Cluster, ConnectionPool, Outbox, QueueWatch};
use crate::telemetry::Metrics;

const INTERVAL: Duration = Duration::from_secs(1);

pub type MetricsSamplerActor = BackgroundActor<MetricsSamplerDeps>;

#[derive(Clone)]
pub struct MetricsSamplerDeps {
    pub registry: Arc<CouponRegistry>,
    pub metrics: Arc<Metrics>,
    pub engine: Arc<dyn AdmissionEngine>,
    /// The name of the service that stores the engine's decisions.
    pub engine_service: &'static str,
    /// Pools of connections to PostgreSQL, by name.
    pub pools: Vec<(&'static str, Arc<dyn ConnectionPool>)>,
    /// Absent without RabbitMQ and PostgreSQL.
    pub stack: Option<SampledStack>,
}

/// Further sources of the full stack.
#[derive(Clone)]
pub struct SampledStack {
    /// Shows whether PostgreSQL answers.
    pub postgres: Arc<dyn Cluster>,
    pub queues: Arc<dyn QueueWatch>,
    pub outbox: Arc<dyn Outbox>,
    pub publisher: PublisherInbox,
}

impl BackgroundTask for MetricsSamplerDeps {
    const KIND: &'static str = "vitals";

    async fn run(self, mut stop: StopSignal) {
        let mut sampler = Sampler::new(self);
        while !stop.is_set() {
            panics::visit(Self::KIND, "sample");
            // A stop may interrupt a sample at any point.
            tokio::select! {
                () = sampler.sample() => {}
                () = stop.wait() => return,
            }
            let _waited_or_stopping = timeout(INTERVAL, stop.wait()).await;
        }
    }
}
