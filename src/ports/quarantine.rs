//! What contradicts the database: issuances that were kept apart, and what operators say of them.

use async_trait::async_trait;

use super::{BoxError, Conflict};
use crate::domain::{CouponId, Note, Timestamp};

/// The number of a contradiction, in the order in which they were noticed; from 1.
pub type ConflictId = i64;

/// What an operator said of a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// When.
    pub at: Timestamp,
    /// What was found, and what was done about it.
    pub note: String,
}

/// A contradiction as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConflict {
    /// Its number.
    pub id: ConflictId,
    /// What arrived, and what stood in its way.
    pub conflict: Conflict,
    /// When it arrived first.
    pub noticed_at: Timestamp,
    /// Absent as long as nobody has settled it.
    pub settlement: Option<Settlement>,
}

/// Which contradictions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhichConflicts {
    /// Those of this coupon only.
    pub coupon: Option<CouponId>,
    /// Those that are settled, or those that are not.
    pub are_settled: bool,
    /// Those with a larger number than this.
    pub after: ConflictId,
    /// At most so many.
    pub limit: u32,
}

/// Why the quarantine could not be dealt with.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer: {0}")]
pub struct QuarantineError(#[source] pub BoxError);

/// The contradictions, for operators.
///
/// [`super::IssuanceStore::insert`] brings them in. Nothing takes them out: a settled one stays, so that the very same
/// issuance is known when it arrives again.
#[async_trait]
pub trait Quarantine: Send + Sync {
    /// The contradictions that are wanted, in the order of their numbers.
    async fn conflicts(&self, which: &WhichConflicts) -> Result<Vec<KeptConflict>, QuarantineError>;

    /// The one of this number.
    async fn conflict(&self, id: ConflictId) -> Result<Option<KeptConflict>, QuarantineError>;

    /// How many of a coupon are settled.
    async fn settled(&self, coupon: &CouponId) -> Result<u64, QuarantineError>;

    /// Settles the one of this number for good, and gives it as it is now; `None` if there is none. One that is settled
    /// already keeps its settlement, so that the call may be repeated.
    async fn settle(&self, id: ConflictId, note: &Note) -> Result<Option<KeptConflict>, QuarantineError>;
}
