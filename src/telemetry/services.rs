//! How the services around the node are.

use prometheus::{IntGauge, IntGaugeVec};

use super::metric_registrar::MetricRegistrar;

/// The series of what this node depends on.
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
                "1 if the service answered this node at the last look",
                &["service"],
            ),
            waiting: add.gauge("queue_messages", "Messages that wait for a persister, as last seen"),
            dead: add.gauge("dead_letters", "Messages that were set aside, as last seen"),
            connections: add.gauges(
                "database_connections",
                "Connections to PostgreSQL: open, idle, and the most there may be",
                &["pool", "state"],
            ),
            mailboxes: add.gauges(
                "mailbox_depth",
                "What waits for the actors of a kind, what they have in hand included",
                &["kind"],
            ),
        }
    }

    /// Notes whether a service answered.
    pub fn answered(&self, service: &str, is_up: bool) {
        self.up.with_label_values(&[service]).set(is_up.into());
    }

    /// Notes how many messages the broker has: waiting, and dead.
    pub fn queues(&self, waiting: u64, dead: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.dead.set(i64::try_from(dead).unwrap_or(i64::MAX));
    }

    /// Notes how much of a pool of connections is in use.
    pub fn pool(&self, pool: &str, open: u32, idle: u32, max: u32) {
        for (state, count) in [("open", open), ("idle", idle), ("max", max)] {
            self.connections.with_label_values(&[pool, state]).set(count.into());
        }
    }

    /// Notes how much waits for the actors of a kind.
    pub fn mailbox(&self, kind: &str, depth: usize) {
        self.mailboxes.with_label_values(&[kind]).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}
