//! What a persister does with one micro-batch: write it, and if the database rejects it, find the poison.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::delivery::AckBoard;
use crate::clock;
use crate::domain::{AckLevel, IssuedCoupon};
use crate::ports::{BoxError, Conflict, DeliveryTag, IssuanceStore, StoreError};
use crate::telemetry::Metrics;

/// One readable delivery.
pub(crate) type Item = (DeliveryTag, IssuedCoupon);

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// In the database, or in its quarantine.
    pub(crate) done: Vec<DeliveryTag>,
    /// Never to be written, and why.
    pub(crate) poison: Vec<(DeliveryTag, String)>,
    /// Above their coupon's total, which may be about to be raised; and what the database says.
    pub(crate) early: Vec<(Item, String)>,
}

/// Writes batches.
#[derive(Clone)]
pub(crate) struct BatchWriter {
    pub(crate) store: Arc<dyn IssuanceStore>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where those who wait on this node learn of it sooner than by asking.
    pub(crate) acks: AckBoard,
}

impl BatchWriter {
    /// Writes `batch`; halves what the database rejects until each poison stands alone, so that its neighbours are
    /// written.
    ///
    /// # Errors
    /// The database cannot be asked now. Writing the same batch again later is safe.
    pub(crate) async fn write(&self, batch: Vec<Item>) -> Result<Written, BoxError> {
        let mut written = Written::default();
        // Halves are taken from the end, so that the first half comes first. The depth is the logarithm of the size.
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            let rows: Vec<IssuedCoupon> = part.iter().map(|(_, issuance)| issuance.clone()).collect();
            let begun = Instant::now();
            match self.store.insert(&rows).await {
                Ok(report) => {
                    self.measure(&rows, begun);
                    self.metrics.persisted.inc_by(report.inserted as u64);
                    self.metrics.persisted_again.inc_by(report.same as u64);
                    for conflict in report.alarms() {
                        self.metrics.conflicts.inc();
                        let IssuedCoupon { coupon_id, sequence, member_id, .. } = &conflict.arrived;
                        let held = &conflict.held;
                        tracing::error!(%coupon_id, sequence, %member_id, %held, "an issuance contradicts the database");
                    }
                    self.tell(&rows, &report.conflicts);
                    written.done.extend(part.into_iter().map(|(tag, _)| tag));
                }
                Err(StoreError::Unavailable(cause)) => return Err(cause),
                Err(StoreError::Rejected(why)) if part.len() <= 1 => {
                    written.poison.extend(part.into_iter().map(|(tag, _)| (tag, why.clone())));
                }
                Err(StoreError::AboveTotal(why)) if part.len() <= 1 => {
                    written.early.extend(part.into_iter().map(|item| (item, why.clone())));
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

    /// Notes how long the insert took, and how long after the engine's decision the rows are there.
    fn measure(&self, rows: &[IssuedCoupon], begun: Instant) {
        let (now, measured) = (clock::now(), &self.metrics.persisting);
        measured.seconds.observe(begun.elapsed().as_secs_f64());
        measured.batch_size.observe(f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)));
        let lag = |row: &IssuedCoupon| Duration::from_millis(now.ms_since(row.issued_at)).as_secs_f64();
        rows.iter().for_each(|row| measured.lag_seconds.observe(lag(row)));
    }

    /// Tells whoever waits of the rows that are committed, which those in quarantine are not.
    fn tell(&self, rows: &[IssuedCoupon], conflicts: &[Conflict]) {
        let contradicts = |row: &IssuedCoupon| conflicts.iter().any(|conflict| conflict.arrived == *row);
        for row in rows.iter().filter(|row| !contradicts(row)) {
            self.acks.reached(&row.coupon_id, AckLevel::Persisted, [(row.sequence, &row.member_id)]);
        }
    }
}

#[cfg(test)]
mod tests;
