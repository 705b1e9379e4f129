//! Where issuances end up: the database.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{CouponId, IssuedCoupon, MemberId, Sequence};

/// Why the store did not take a batch.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be asked now; nothing is wrong with the batch. Try again later.
    #[error("the database did not answer: {0}")]
    Unavailable(#[source] BoxError),
    /// The database will never take this batch as it is; nothing of it was written.
    #[error("the database rejects it: {0}")]
    Rejected(String),
    /// A sequence is above the total that the database knows; nothing was written. The total may be about to be raised.
    #[error("the database rejects it for now: {0}")]
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

/// An issuance that contradicts one the database holds: same sequence, member or code, but not the same issuance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What arrived.
    pub arrived: IssuedCoupon,
    /// What the database holds, in words.
    pub held: String,
    /// Whether an operator has settled the very same before: then it is kept apart as ever, but no news.
    pub is_settled: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsertReport {
    /// Rows written now.
    pub inserted: usize,
    /// Rows that were there already, the same in every column.
    pub same: usize,
    /// Those that contradict a row; they have been written to the quarantine.
    pub conflicts: Vec<Conflict>,
}

impl InsertReport {
    /// The contradictions that somebody has to look at: all but the settled ones.
    pub fn alarms(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| !conflict.is_settled)
    }
}

/// Keeps issuances for good.
///
/// `insert` returns `Ok` only after COMMIT, and may be repeated with the same batch any number of times.
#[async_trait]
pub trait IssuanceStore: Send + Sync {
    /// Writes a batch in one statement, and classifies what was skipped.
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError>;

    /// The largest sequence up to which the database holds every one, knowing that it holds all up to `known`.
    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError>;

    /// The largest sequence the database holds; 0 if none.
    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError>;

    /// Which of `sequences` the database holds, and who holds them, in any order. What is named here is committed.
    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError>;

    /// All of a coupon's issuances with a sequence above `after`, at most `limit`, in order of sequence.
    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError>;
}
