//! The metrics of a node. On the hot path, label values are resolved in advance: counting is one atomic addition.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::coupons::CouponGauges;
use super::metric_registrar::{MetricRegistrar, SECONDS, SIZES};
use super::pipeline::{PersistMetrics, ReconcileMetrics, ServiceGauges};
use super::traces::span_counters;
use crate::clock;
use crate::domain::AckLevel;

/// The answer to an issue request: label `outcome` of `openrun_issue_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    Issued,
    /// The member held the coupon already.
    Again,
    SoldOut,
    NotOpen,
    Paused,
    Closed,
    /// The engine is being verified or rebuilt.
    Recovering,
    /// Shed: the queue was full.
    Overloaded,
    /// The engine did not answer in time.
    Unknown,
    Invalid,
    /// Issued, but the requested ack level was not reached in time.
    AckPending,
    RateLimited,
}

const OUTCOMES: [&str; 12] = [
    "issued",
    "again",
    "sold_out",
    "not_open",
    "paused",
    "closed",
    "recovering",
    "overloaded",
    "unknown",
    "invalid",
    "ack_pending",
    "rate_limited",
];

/// The metrics of a node. The help texts below describe them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: [IntCounter; OUTCOMES.len()],
    pub issue_seconds: Histogram,
    pub batch_size: Histogram,
    pub engine_seconds: Histogram,
    pub waiting: IntGauge,
    pub published: IntCounter,
    pub publish_failures: IntCounter,
    pub republished: IntCounter,
    pub publish_deferred: IntCounter,
    pub persisted: IntCounter,
    pub persisted_again: IntCounter,
    pub conflicts: IntCounter,
    pub written_off: IntCounter,
    pub dead_lettered: IntCounter,
    pub letters_replayed: IntCounter,
    pub letters_discarded: IntCounter,
    pub persist_retries: IntCounter,
    rate_limited: IntCounterVec,
    recoveries: IntCounterVec,
    actor_restarts: IntCounterVec,
    actor_panics: IntCounterVec,
    actors: IntGaugeVec,
    actors_failed: IntGaugeVec,
    build: IntGaugeVec,
    pub persisting: PersistMetrics,
    pub coupons: CouponGauges,
    pub services: ServiceGauges,
    pub reconciled: ReconcileMetrics,
    ack_waiting: IntGauge,
    ack_seconds: HistogramVec,
}

/// Counts a member as waiting until it is dropped.
#[derive(Debug)]
pub struct AckWaitGuard(IntGauge);

impl Drop for AckWaitGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let add = MetricRegistrar(&registry);
        register_process(&add);
        let by_outcome = add.counters("issue_requests_total", "Issue requests, by answer", "outcome");
        Self {
            requests: OUTCOMES.map(|outcome| by_outcome.with_label_values(&[outcome])),
            issue_seconds: add.histogram(
                "issue_seconds",
                "Seconds from a request's body to its answer",
                SECONDS,
            ),
            batch_size: add.histogram("batch_size", "Members in one step of the engine", SIZES),
            engine_seconds: add.histogram("engine_seconds", "Seconds of one step of the engine", SECONDS),
            waiting: add.gauge("waiting_members", "Members waiting for an answer"),
            published: add.counter("published_total", "Events the broker confirmed"),
            publish_failures: add
                .counter("publish_failures_total", "Batches of events that the broker did not confirm"),
            republished: add.counter("republished_total", "Events published again from the outbox"),
            publish_deferred: add.counter(
                "publish_deferred_total",
                "Events left to the sweep of the outbox because the publisher's queue was full",
            ),
            persisted: add.counter("persisted_total", "Rows written to the database"),
            persisted_again: add.counter("persisted_again_total", "Issuances that had a row already"),
            conflicts: add.counter("conflicts_total", "Issuances that contradict a row"),
            written_off: add.counter("written_off_total", "Lost numbers that an operator had written off"),
            dead_lettered: add.counter("dead_lettered_total", "Messages moved to the dead letters"),
            letters_replayed: add
                .counter("dead_letters_replayed_total", "Dead letters that an operator queued again"),
            letters_discarded: add
                .counter("dead_letters_discarded_total", "Dead letters that an operator deleted"),
            persist_retries: add.counter("persist_retries_total", "Inserts that failed and are retried"),
            rate_limited: add.counters("rate_limited_total", "Requests refused by a rate limit", "by"),
            recoveries: add.counters(
                "recoveries_total",
                "Recoveries of coupons that ended, by verifying or rebuilding the engine",
                "how",
            ),
            actor_restarts: add.counters("actor_restarts_total", "Restarts of actors", "kind"),
            actor_panics: add.counters("actor_panics_total", "Panics caught in actors", "kind"),
            actors: add.gauges("actors", "Supervised actors of this node", &["kind"]),
            actors_failed: add.gauges("actors_failed", "Actors that died too often and stay down", &["kind"]),
            build: add.gauges("build_info", "1; version and engine of the node", &["version", "engine"]),
            persisting: PersistMetrics::new(&add),
            coupons: CouponGauges::new(&add),
            services: ServiceGauges::new(&add),
            reconciled: ReconcileMetrics::new(&add),
            ack_waiting: add.gauge(
                "ack_waiting_members",
                "Members with an issuance who wait until it reaches their ack level",
            ),
            ack_seconds: add.histograms(
                "ack_seconds",
                "Seconds from the engine's decision until the ack level was reached",
                "level",
                SECONDS,
            ),
            registry,
        }
    }

    /// Counts a member as waiting for an ack level, until the guard is dropped.
    #[must_use]
    pub fn ack_wait(&self) -> AckWaitGuard {
        self.ack_waiting.inc();
        AckWaitGuard(self.ack_waiting.clone())
    }

    pub fn ack_reached(&self, level: AckLevel, after: Duration) {
        self.ack_seconds.with_label_values(&[level.as_str()]).observe(after.as_secs_f64());
    }

    pub fn answered(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// Sets the build info, and creates series at 0: a rate cannot be computed if a series begins with its first event.
    pub fn init_series(&self, engine: &str) {
        self.build.with_label_values(&[env!("CARGO_PKG_VERSION"), engine]).set(1);
        for how in ["verified", "rebuilt"] {
            self.recoveries.with_label_values(&[how]);
        }
        for level in [AckLevel::Queued, AckLevel::Persisted] {
            self.ack_seconds.with_label_values(&[level.as_str()]);
        }
    }

    pub fn actor_supervised(&self, kind: &str) {
        self.actors.with_label_values(&[kind]).inc();
        self.actors_failed.with_label_values(&[kind]);
        // Created at 0, as in `init_series`.
        for counters in [&self.actor_restarts, &self.actor_panics] {
            counters.with_label_values(&[kind]);
        }
    }

    pub fn rate_limited(&self, by: &str) {
        self.rate_limited.with_label_values(&[by]).inc();
    }

    /// Counts a recovery that ended; `how` is `verified` or `rebuilt`.
    pub fn recovered(&self, how: &str) {
        self.recoveries.with_label_values(&[how]).inc();
    }

    pub fn actor_restarted(&self, kind: &str) {
        self.actor_restarts.with_label_values(&[kind]).inc();
    }

    pub fn actor_panicked(&self, kind: &str) {
        self.actor_panics.with_label_values(&[kind]).inc();
    }

    pub fn actor_stays_down(&self, kind: &str) {
        self.actors_failed.with_label_values(&[kind]).inc();
    }

    pub fn actor_is_back(&self, kind: &str) {
        self.actors_failed.with_label_values(&[kind]).dec();
    }

    /// All metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be encoded; the answer to this scrape is incomplete");
        }
        text
    }
}

/// Registers the metrics of the process: its start, and the counters of its spans.
fn register_process(add: &MetricRegistrar<'_>) {
    for spans in span_counters() {
        add.register(Ok(spans));
    }
    let start = add.gauge("start_time_seconds", "Start of the node, in seconds since 1970");
    start.set(clock::now().as_ms() / 1_000);
}

#[cfg(test)]
mod tests {
    use super::{Metrics, OUTCOMES, Outcome};

    #[test]
    fn a_node_without_the_reconcile_lease_exports_no_drift() {
        let metrics = Metrics::new();
        metrics.reconciled.remaining("missing", 3);
        assert!(String::from_utf8(metrics.render()).unwrap().contains("openrun_drift{kind=\"missing\"} 3"));
        metrics.reconciled.clear_drift();
        assert!(!String::from_utf8(metrics.render()).unwrap().contains("openrun_drift{"));
    }

    #[test]
    fn every_outcome_has_its_own_series() {
        let metrics = Metrics::new();
        metrics.answered(Outcome::Invalid);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("openrun_issue_requests_total{outcome=\"invalid\"} 1"), "{text}");
        for outcome in OUTCOMES {
            assert!(text.contains(&format!("outcome=\"{outcome}\"")), "{outcome}");
        }
    }
}
