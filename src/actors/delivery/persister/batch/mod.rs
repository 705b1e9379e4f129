//! Writes one batch of a persister, and isolates the issuances that the database rejects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::delivery::AckBoard;
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon};
use crate::ports::{BoxError, Conflict, DeliveryTag, IssuanceStore, StoreError};
use crate::telemetry::Metrics;

/// One readable delivery.
pub(crate) type Item = (DeliveryTag, IssuedCoupon);

/// The deliveries of a batch, by result.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Rows of the database, or conflicts in its quarantine.
    pub(crate) done: Vec<DeliveryTag>,
    /// Rejected for good, with the database's reason.
    pub(crate) poison: Vec<(DeliveryTag, String)>,
    /// Above the coupon's total, which may be about to be raised; with the database's reason.
    pub(crate) above_total: Vec<(Item, String)>,
}

#[derive(Clone)]
pub(crate) struct BatchWriter {
    pub(crate) store: Arc<dyn IssuanceStore>,
    pub(crate) metrics: Arc<Metrics>,
    /// Releases the waiting requests of this node sooner than the poller would.
    pub(crate) acks: AckBoard,
}

impl BatchWriter {
    /// Writes `batch`. Halves a part that the database rejects until each rejected issuance stands alone and all others
    /// are written.
    ///
    /// # Errors
    /// The database did not answer. Writing the same batch again later is safe.
    pub(crate) async fn write(&self, batch: Vec<Item>) -> Result<Written, BoxError> {
        let mut written = Written::default();
        // A stack, onto which the first half is pushed last, so that rows are written in order.
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let rows: Vec<IssuedCoupon> = part.iter().map(|(_, issuance)| issuance.clone()).collect();
            let started = Instant::now();
            match self.store.insert(&rows).await {
                Ok(report) => {
                    self.record_write(&rows, started);
                    self.metrics.persisted.inc_by(report.inserted as u64);
                    self.metrics.persisted_again.inc_by(report.same as u64);
                    self.metrics.conflicts.inc_by(report.log_alarms());
                    self.release_waiters(&rows, &report.conflicts);
                    written.done.extend(part.into_iter().map(|(tag, _)| tag));
                }
                Err(StoreError::Unavailable(cause)) => return Err(cause),
                Err(StoreError::Rejected(reason)) if part.len() <= 1 => {
                    written.poison.extend(part.into_iter().map(|(tag, _)| (tag, reason.clone())));
                }
                Err(StoreError::AboveTotal(reason)) if part.len() <= 1 => {
                    written.above_total.extend(part.into_iter().map(|item| (item, reason.clone())));
                }
                Err(StoreError::Rejected(_) | StoreError::AboveTotal(_)) => {
                    let second = part.split_off(part.len() / 2);
                    parts.push(second);
                    parts.push(part);
                }
            }
        }
        Ok(written)
    }

    fn record_write(&self, rows: &[IssuedCoupon], started: Instant) {
        let now = clock::now();
        let metrics = &self.metrics.persisting;
        metrics.seconds.observe(started.elapsed().as_secs_f64());
        metrics.batch_size.observe(f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)));
        let lag = |row: &IssuedCoupon| Duration::from_millis(now.ms_since(row.issued_at)).as_secs_f64();
        rows.iter().for_each(|row| metrics.lag_seconds.observe(lag(row)));
    }

    /// Releases the requests that wait for these rows, except those in quarantine, which are not committed.
    fn release_waiters(&self, rows: &[IssuedCoupon], conflicts: &[Conflict]) {
        let is_conflict = |row: &IssuedCoupon| conflicts.iter().any(|conflict| conflict.arrived == *row);
        for row in rows.iter().filter(|row| !is_conflict(row)) {
            self.acks.release(&row.coupon_id, AckLevel::Persisted, [(row.sequence, &row.member_id)]);
        }
    }
}

#[cfg(test)]
mod tests;
