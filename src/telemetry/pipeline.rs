//! Metrics of the way from the engine to the database: inserts, reconciler, and the services in between.

use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec};

use super::metric_registrar::{LONG_SECONDS, MetricRegistrar, SECONDS, SIZES, gauge_value};
use crate::clock;

/// Histograms of inserts.
#[derive(Debug)]
pub struct PersistMetrics {
    pub batch_size: Histogram,
    /// Successful inserts only.
    pub seconds: Histogram,
    /// By this node's clock.
    pub lag_seconds: Histogram,
}

impl PersistMetrics {
    pub(super) fn new(add: &MetricRegistrar<'_>) -> Self {
        Self {
            batch_size: add.histogram("persist_batch_size", "Rows in one insert", SIZES),
            seconds: add.histogram("persist_seconds", "Seconds of one insert", SECONDS),
            lag_seconds: add.histogram(
                "persist_lag_seconds",
                "Seconds from the engine's decision until the row was committed",
                LONG_SECONDS,
            ),
        }
    }
}

#[derive(Debug)]
pub struct ReconcileMetrics {
    pub repaired: IntCounter,
    last_run: IntGauge,
    drift: IntGaugeVec,
}

impl ReconcileMetrics {
    pub(super) fn new(add: &MetricRegistrar<'_>) -> Self {
        Self {
            repaired: add.counter("reconcile_repaired_total", "Differences that the reconciler repaired"),
            last_run: add.gauge(
                "reconcile_last_run_timestamp_seconds",
                "End of the last comparison of all coupons, in seconds since 1970; 0 before the first",
            ),
            drift: add.gauges("drift", "Differences that the last comparison left unrepaired", &["kind"]),
        }
    }

    /// Records the end of a comparison of all coupons.
    pub fn run_ended(&self) {
        self.last_run.set(clock::now().as_ms() / 1_000);
    }

    /// Removes the series of drift: another node compares, and exports its findings.
    pub fn clear_drift(&self) {
        self.drift.reset();
    }

    /// Sets the number of unrepaired differences of a kind.
    pub fn remaining(&self, kind: &str, count: u64) {
        self.drift.with_label_values(&[kind]).set(gauge_value(count));
    }
}

/// Gauges of services, connection pools and mailboxes.
#[derive(Debug)]
pub struct ServiceGauges {
    up: IntGaugeVec,
    waiting: IntGauge,
    dead: IntGauge,
    connections: IntGaugeVec,
    mailboxes: IntGaugeVec,
}

impl ServiceGauges {
    pub(super) fn new(add: &MetricRegistrar<'_>) -> Self {
        Self {
            up: add.gauges(
                "service_up",
                "1 if the service answered this node's last health check",
                &["service"],
            ),
            waiting: add.gauge("queue_messages", "Messages that wait for a persister, at the last sample"),
            dead: add.gauge("dead_letters", "Dead letters, at the last sample"),
            connections: add.gauges(
                "database_connections",
                "Connections to PostgreSQL: open, idle, and the maximum",
                &["pool", "state"],
            ),
            mailboxes: add.gauges(
                "mailbox_depth",
                "Requests or events that wait for the actors of a kind or are being processed",
                &["kind"],
            ),
        }
    }

    /// Records the result of a health check.
    pub fn answered(&self, service: &str, is_up: bool) {
        self.up.with_label_values(&[service]).set(is_up.into());
    }

    /// Records the messages of the broker.
    pub fn queues(&self, waiting: u64, dead: u64) {
        self.waiting.set(gauge_value(waiting));
        self.dead.set(gauge_value(dead));
    }

    pub fn pool(&self, pool: &str, open: u32, idle: u32, max: u32) {
        for (state, count) in [("open", open), ("idle", idle), ("max", max)] {
            self.connections.with_label_values(&[pool, state]).set(count.into());
        }
    }

    pub fn mailbox(&self, kind: &str, depth: usize) {
        self.mailboxes.with_label_values(&[kind]).set(gauge_value(depth));
    }
}
