//! The database of issuances.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{CouponId, IssuedCoupon, MemberId, Sequence};

/// Reason for which the store did not write a batch.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable or too slow; the batch is valid and may be tried again.
    #[error("the database did not answer: {0}")]
    Unavailable(#[source] BoxError),
    /// The database will never accept the batch as it is; nothing of it was written.
    #[error("the database rejects the batch: {0}")]
    Rejected(String),
    /// A sequence exceeds the total in the database; nothing was written. The total may be about to be raised.
    #[error("the database rejects the batch for now: {0}")]
    AboveTotal(String),
}

impl StoreError {
    /// The word for failures of this kind, in traces.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Rejected(_) => "rejected",
            Self::AboveTotal(_) => "above_total",
        }
    }
}

/// An issuance that shares sequence, member or code with a row and differs from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The issuance that arrived.
    pub arrived: IssuedCoupon,
    /// The contradicted row, described in a sentence.
    pub held: String,
    /// Whether an operator has settled the same conflict before: then it causes no alarm.
    pub is_settled: bool,
}

/// Result of writing a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsertReport {
    /// New rows.
    pub inserted: usize,
    /// Rows that existed already with the same values.
    pub same: usize,
    /// Issuances that contradict a row; they are in the quarantine now.
    pub conflicts: Vec<Conflict>,
}

impl InsertReport {
    /// Logs every conflict that needs an operator, and returns their number.
    pub fn log_alarms(&self) -> u64 {
        let mut count = 0;
        for Conflict { arrived, held, .. } in self.alarms() {
            let IssuedCoupon { coupon_id, sequence, member_id, .. } = arrived;
            tracing::error!(%coupon_id, sequence, %member_id, %held, "an issuance contradicts the database: it is in quarantine");
            count += 1;
        }
        count
    }

    /// The conflicts that need an operator: all but the settled ones.
    pub fn alarms(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| !conflict.is_settled)
    }
}

/// Stores issuances.
///
/// `insert` returns `Ok` only after COMMIT, and may be repeated with the same batch any number of times.
#[async_trait]
pub trait IssuanceStore: Send + Sync {
    /// Writes a batch in one statement, and classifies the skipped rows.
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError>;

    /// The sequence up to which the database has every row. The caller knows that it is at least `known`.
    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError>;

    /// Largest sequence in the database; 0 if there is none.
    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError>;

    /// The rows with these sequences and their members, in any order. All of them are committed.
    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError>;

    /// Issuances of the coupon with a sequence above `after`, at most `limit`, in the order of sequences.
    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError>;
}
