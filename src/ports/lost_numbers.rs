//! Lost numbers: issued sequences without a known holder, until an operator writes them off.

use async_trait::async_trait;

use super::{BoxError, OpenRecovery};
use crate::domain::{CouponId, IssuedCoupon, Note, Sequence, Timestamp};

/// The lost numbers of an open recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Coupon under recovery.
    pub coupon: CouponId,
    /// Number of lost numbers.
    pub count: u32,
    /// Smallest lost number.
    pub first: Sequence,
    /// Largest sequence known to be issued.
    pub last: Sequence,
    /// Time at which the loss was found.
    pub noticed_at: Timestamp,
    /// Whether an operator has permitted writing them off.
    pub permitted: bool,
}

/// Result of an operator's permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// The permission is stored; the recovery continues.
    Given(Loss),
    /// The operator's count differs from the count of lost numbers.
    OtherCount(Loss),
    /// The coupon has no lost numbers.
    NothingLost,
}

/// A failed call to the database. Its outcome is unknown; repeating it is safe.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer: {0}")]
pub struct LossError(#[source] pub BoxError);

/// Stores lost numbers.
///
/// A number that is written off gets a row of its own, so that it is never issued again: its holder may have been
/// answered. The written-off numbers count towards the total.
#[async_trait]
pub trait LostNumbers: Send + Sync {
    /// Losses of the recoveries under way, in the order of the coupons' ids, at most `limit`.
    async fn list(&self, limit: u32) -> Result<Vec<Loss>, LossError>;

    /// Stores that sequences above `watermark` up to `last` are lost in the recovery `open`; `None` if the database has
    /// all of them. A permission of the same recovery stays valid only if the count has not grown.
    async fn record(
        &self,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<Option<Loss>, LossError>;

    /// Permits writing off the lost numbers of `coupon`, if there are exactly `count`.
    async fn permit(&self, coupon: &CouponId, count: u32, note: &Note) -> Result<Permission, LossError>;

    /// Lost numbers above `after` up to `last`, at most `limit`, in order. Each has the earliest time at which it can
    /// have been issued: the time of the issuance before it, or the coupon's opening.
    async fn missing(
        &self,
        coupon: &CouponId,
        after: Sequence,
        last: Sequence,
        limit: u32,
    ) -> Result<Vec<(Sequence, Timestamp)>, LossError>;

    /// Writes rows for lost numbers, and their record as written off, in one step. A number that has a row by now keeps
    /// it. Returns the count of new rows.
    async fn write_off(&self, rows: &[IssuedCoupon]) -> Result<u32, LossError>;

    /// Count of written-off numbers of `coupon`.
    async fn count_written_off(&self, coupon: &CouponId) -> Result<u32, LossError>;
}
