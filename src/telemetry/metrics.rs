//! Counters and histograms. Label values are bound once, so that counting on the hot path is one atomic addition.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use super::coupons::CouponGauges;
use super::metric_registrar::{MetricRegistrar, SECONDS, SIZES};
use super::persisting::Persisting;
use super::reconciled::Reconciled;
use super::services::ServiceGauges;
use super::traces::span_counters;
use crate::domain::AckLevel;

/// What a member was told; the label `outcome` of `openrun_issue_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Outcome {
    /// A coupon was issued.
    Issued,
    /// The same coupon again.
    Again,
    /// Nothing left.
    SoldOut,
    /// Too early.
    NotOpen,
    /// Held by an operator.
    Paused,
    /// Over.
    Closed,
    /// The engine cannot be trusted at the moment.
    Recovering,
    /// Too many are waiting.
    Overloaded,
    /// Nobody knows: the engine did not answer.
    Unknown,
    /// The request was no valid one.
    Invalid,
    /// Issued, but not yet as safe as the member wants to know it.
    AckPending,
    /// They asked too often.
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

/// Every metric of the service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: [IntCounter; OUTCOMES.len()],
    /// Seconds from a request's body to its answer.
    pub issue_seconds: Histogram,
    /// Members in one step of the engine.
    pub batch_size: Histogram,
    /// Seconds of one step of the engine.
    pub engine_seconds: Histogram,
    /// Members waiting for an answer.
    pub waiting: IntGauge,
    /// Events the broker has taken responsibility for.
    pub published: IntCounter,
    /// Windows of events the broker did not confirm.
    pub publish_failures: IntCounter,
    /// Events that were published again by the sweep.
    pub republished: IntCounter,
    /// Events left to the sweep because the publisher had too many at hand.
    pub publish_deferred: IntCounter,
    /// Rows written to the database.
    pub persisted: IntCounter,
    /// Rows that were there already.
    pub persisted_again: IntCounter,
    /// Issuances that contradict a row: each one is an alarm.
    pub conflicts: IntCounter,
    /// Lost numbers that an operator had written off.
    pub written_off: IntCounter,
    /// Messages sent to the dead letters.
    pub dead_lettered: IntCounter,
    /// Dead letters that an operator sent on their way again.
    pub letters_replayed: IntCounter,
    /// Dead letters that an operator dropped.
    pub letters_discarded: IntCounter,
    /// Batches the database could not take at the moment.
    pub persist_retries: IntCounter,
    rate_limited: IntCounterVec,
    recoveries: IntCounterVec,
    actor_restarts: IntCounterVec,
    actor_panics: IntCounterVec,
    actors: IntGaugeVec,
    actors_failed: IntGaugeVec,
    build: IntGaugeVec,
    /// How issuances become rows.
    pub persisting: Persisting,
    /// How each coupon stands.
    pub coupons: CouponGauges,
    /// How the services around the node are.
    pub services: ServiceGauges,
    /// What the reconciler found.
    pub reconciled: Reconciled,
    ack_waiting: IntGauge,
    ack_seconds: HistogramVec,
}

/// Counts somebody as waiting for as long as it lives.
#[derive(Debug)]
pub struct Waits(IntGauge);

impl Drop for Waits {
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
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let add = MetricRegistrar(&registry);
        tell_of_the_process(&add);
        let by_outcome =
            add.counters("issue_requests_total", "Requests for a coupon, by what was answered", "outcome");
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
                .counter("publish_failures_total", "Windows of events the broker did not confirm"),
            republished: add.counter("republished_total", "Events published again from the outbox"),
            publish_deferred: add.counter("publish_deferred_total", "Events left to the sweep of the outbox"),
            persisted: add.counter("persisted_total", "Rows written to the database"),
            persisted_again: add.counter("persisted_again_total", "Issuances whose row was there already"),
            conflicts: add.counter("conflicts_total", "Issuances that contradict a row"),
            written_off: add.counter("written_off_total", "Lost numbers that an operator had written off"),
            dead_lettered: add.counter("dead_lettered_total", "Messages sent to the dead letters"),
            letters_replayed: add.counter(
                "dead_letters_replayed_total",
                "Dead letters that an operator sent on their way again",
            ),
            letters_discarded: add
                .counter("dead_letters_discarded_total", "Dead letters that an operator dropped"),
            persist_retries: add
                .counter("persist_retries_total", "Batches the database could not take at once"),
            rate_limited: add.counters(
                "rate_limited_total",
                "Requests that were refused, by which limit",
                "by",
            ),
            recoveries: add.counters(
                "recoveries_total",
                "Coupons whose engine was trusted again, by how",
                "how",
            ),
            actor_restarts: add.counters("actor_restarts_total", "Actors that were started again", "kind"),
            actor_panics: add.counters("actor_panics_total", "Panics that were contained", "kind"),
            actors: add.gauges("actors", "Supervised actors of this node", &["kind"]),
            actors_failed: add.gauges("actors_failed", "Actors that died too often and stay down", &["kind"]),
            build: add.gauges(
                "build_info",
                "1; what the node is and by what it decides",
                &["version", "engine"],
            ),
            persisting: Persisting::new(&add),
            coupons: CouponGauges::new(&add),
            services: ServiceGauges::new(&add),
            reconciled: Reconciled::new(
                add.counter("reconcile_repaired_total", "Disagreements of engine and database put right"),
                add.gauge("reconcile_last_run_timestamp_seconds", "When everything was last compared"),
                add.gauges("drift", "Disagreements that the last comparison could not put right", &["kind"]),
            ),
            ack_waiting: add
                .gauge("ack_waiting_members", "Members issued to who wait for the level they want"),
            ack_seconds: add.histograms(
                "ack_seconds",
                "Seconds from the engine's decision until the level was reached",
                "level",
                SECONDS,
            ),
            registry,
        }
    }

    /// Counts a member as waiting for a level, until the value is dropped.
    #[must_use]
    pub fn ack_waits(&self) -> Waits {
        self.ack_waiting.inc();
        Waits(self.ack_waiting.clone())
    }

    /// Notes how long it took an issuance to reach `level`.
    pub fn ack_reached(&self, level: AckLevel, after: Duration) {
        self.ack_seconds.with_label_values(&[level.as_str()]).observe(after.as_secs_f64());
    }

    /// Counts an answer.
    pub fn answered(&self, outcome: Outcome) {
        self.requests[outcome as usize].inc();
    }

    /// Notes what this node is, and makes the series whose first value must not be news.
    pub fn begin(&self, engine: &str) {
        self.build.with_label_values(&[env!("CARGO_PKG_VERSION"), engine]).set(1);
        for how in ["verified", "rebuilt"] {
            self.recoveries.with_label_values(&[how]);
        }
        for level in [AckLevel::Queued, AckLevel::Persisted] {
            self.ack_seconds.with_label_values(&[level.as_str()]);
        }
    }

    /// Notes that one more actor is looked after.
    pub fn actor_supervised(&self, kind: &str) {
        self.actors.with_label_values(&[kind]).inc();
        self.actors_failed.with_label_values(&[kind]);
        // From 0 on: who compares two moments does not see a series that begins with 1.
        for counters in [&self.actor_restarts, &self.actor_panics] {
            counters.with_label_values(&[kind]);
        }
    }

    /// Counts a request that was refused by the limit of this name.
    pub fn rate_limited(&self, by: &str) {
        self.rate_limited.with_label_values(&[by]).inc();
    }

    /// Counts a coupon whose engine is trusted again.
    pub fn recovered(&self, how: &str) {
        self.recoveries.with_label_values(&[how]).inc();
    }

    /// Counts an actor that was started again.
    pub fn actor_restarted(&self, kind: &str) {
        self.actor_restarts.with_label_values(&[kind]).inc();
    }

    /// Counts a panic that was contained.
    pub fn actor_panicked(&self, kind: &str) {
        self.actor_panics.with_label_values(&[kind]).inc();
    }

    /// Notes that one more actor died too often and stays down.
    pub fn actor_stays_down(&self, kind: &str) {
        self.actors_failed.with_label_values(&[kind]).inc();
    }

    /// Notes that an actor which had stayed down is made again.
    pub fn actor_is_back(&self, kind: &str) {
        self.actors_failed.with_label_values(&[kind]).dec();
    }

    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing to memory cannot fail; a family without samples is left out by the encoder.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }
}

/// What is known of the process itself: when it was started, and what has become of its spans.
fn tell_of_the_process(add: &MetricRegistrar<'_>) {
    for spans in span_counters() {
        add.registered(Ok(spans));
    }
    let started = add.gauge("start_time_seconds", "When the node was started, in seconds since 1970");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    started.set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::{Metrics, OUTCOMES, Outcome};

    #[test]
    fn what_another_node_compares_is_said_by_that_node() {
        let metrics = Metrics::new();
        metrics.reconciled.remaining("missing", 3);
        assert!(String::from_utf8(metrics.render()).unwrap().contains("openrun_drift{kind=\"missing\"} 3"));
        metrics.reconciled.is_anothers();
        assert!(!String::from_utf8(metrics.render()).unwrap().contains("openrun_drift{"));
    }

    #[test]
    fn every_outcome_is_counted_under_its_own_word() {
        let metrics = Metrics::new();
        metrics.answered(Outcome::Invalid);
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains("openrun_issue_requests_total{outcome=\"invalid\"} 1"), "{text}");
        for outcome in OUTCOMES {
            assert!(text.contains(&format!("outcome=\"{outcome}\"")), "{outcome}");
        }
    }
}
