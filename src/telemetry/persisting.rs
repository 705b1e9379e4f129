//! How issuances become rows.

use prometheus::Histogram;

use super::metric_registrar::{LONG_SECONDS, MetricRegistrar, SECONDS, SIZES};

/// The series of inserts.
#[derive(Debug)]
pub struct Persisting {
    /// Rows in one insert.
    pub batch_size: Histogram,
    /// Seconds of one insert that the database took.
    pub seconds: Histogram,
    /// Seconds from the engine's decision until the row was committed, by this node's clock.
    pub lag_seconds: Histogram,
}

impl Persisting {
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
