//! The quarantine: issuances that contradict the database, and the operators' notes on them.

use async_trait::async_trait;

use super::{BoxError, Conflict};
use crate::domain::{CouponId, Note, Timestamp};

/// Number of a conflict in the order of arrival, from 1.
pub type ConflictId = i64;

/// The closing of a conflict by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Time of the settlement.
    pub at: Timestamp,
    /// Cause of the conflict and the remedy, in the operator's words.
    pub note: String,
}

/// A conflict in the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConflict {
    /// Number of the conflict.
    pub id: ConflictId,
    /// The arrived issuance and the row it contradicts.
    pub conflict: Conflict,
    /// Time of the first arrival.
    pub noticed_at: Timestamp,
    /// Absent until an operator settles the conflict.
    pub settlement: Option<Settlement>,
}

/// Filter and page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Only conflicts of this coupon.
    pub coupon: Option<CouponId>,
    /// Settled conflicts, or else open ones.
    pub are_settled: bool,
    /// Only conflicts with a larger number.
    pub after: ConflictId,
    /// Size of the page.
    pub limit: u32,
}

/// A failed call to the quarantine's database.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer: {0}")]
pub struct QuarantineError(#[source] pub BoxError);

/// Conflicts, for operators.
///
/// [`super::IssuanceStore::insert`] adds them. None is removed: a settled conflict stays, so that the same issuance is
/// recognized when it arrives again.
#[async_trait]
pub trait Quarantine: Send + Sync {
    /// One page of conflicts, in the order of their numbers.
    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<KeptConflict>, QuarantineError>;

    /// The conflict of this number.
    async fn conflict(&self, id: ConflictId) -> Result<Option<KeptConflict>, QuarantineError>;

    /// Count of the coupon's settled conflicts.
    async fn count_settled(&self, coupon: &CouponId) -> Result<u64, QuarantineError>;

    /// Settles a conflict for good and returns it; `None` if there is none of this number. A settled conflict keeps its
    /// first settlement, so that the call may be repeated.
    async fn settle(&self, id: ConflictId, note: &Note) -> Result<Option<KeptConflict>, QuarantineError>;
}
