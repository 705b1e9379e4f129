//! What the reconciler found when it last ran.

use prometheus::{IntCounter, IntGauge, IntGaugeVec};

/// The reconciler's metrics.
#[derive(Debug)]
pub struct Reconciled {
    /// Disagreements that were put right.
    pub repaired: IntCounter,
    /// When it last went through everything, in seconds since 1970; 0 if it has not.
    pub last_run: IntGauge,
    drift: IntGaugeVec,
}

impl Reconciled {
    pub(super) fn new(repaired: IntCounter, last_run: IntGauge, drift: IntGaugeVec) -> Self {
        Self { repaired, last_run, drift }
    }

    /// Forgets what was found: another node compares, and says what it finds.
    pub fn is_anothers(&self) {
        self.drift.reset();
    }

    /// Notes how many disagreements of a kind, of which there are few, remain.
    pub fn remaining(&self, kind: &str, count: u64) {
        self.drift.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
