//! Numbers that were issued and of which nobody knows any more who holds them, until an operator writes them off.

use async_trait::async_trait;

use super::{BoxError, OpenRecovery};
use crate::domain::{CouponId, IssuedCoupon, Note, Sequence, Timestamp};

/// Numbers that an open recovery lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Whose they are.
    pub coupon: CouponId,
    /// How many they are.
    pub count: u32,
    /// The smallest of them.
    pub first: Sequence,
    /// The largest number known to have been issued.
    pub last: Sequence,
    /// When they were noticed to be lacking.
    pub noticed_at: Timestamp,
    /// Whether an operator has permitted to write them off.
    pub permitted: bool,
}

/// What became of an operator's permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    /// It is given; the recovery goes on.
    Given(Loss),
    /// Not as many are lost as the operator said.
    OtherCount(Loss),
    /// Nothing of that coupon is lost.
    NothingLost,
}

/// Why nothing is known. What was asked for may be done or not; repeating it is safe.
#[derive(Debug, thiserror::Error)]
#[error("the database did not answer: {0}")]
pub struct LossError(#[source] pub BoxError);

/// Keeps the account of lost numbers.
///
/// A number that was written off has a row of its own, so that it is never given to anybody else: whoever holds it may
/// have been told. Never more than the total are issued, those that were written off included.
#[async_trait]
pub trait LostNumbers: Send + Sync {
    /// What is lost in the recoveries under way, in the order of the coupons' ids, at most `limit`.
    async fn list(&self, limit: u32) -> Result<Vec<Loss>, LossError>;

    /// Notes that `open` lacks numbers above `watermark`, up to `last`; `None` if no row is missing there. A permission
    /// stays only if no more are missing than it was given for, in the same recovery.
    async fn note(
        &self,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<Option<Loss>, LossError>;

    /// Permits to write off what is lost of `coupon`, which must be `count` numbers.
    async fn permit(&self, coupon: &CouponId, count: u32, note: &Note) -> Result<Permission, LossError>;

    /// The lost numbers above `after`, up to `last`, at most `limit`, in order, each with the earliest moment at which it can
    /// have been issued: when the one before it was, or the coupon opened.
    async fn missing(
        &self,
        coupon: &CouponId,
        after: Sequence,
        last: Sequence,
        limit: u32,
    ) -> Result<Vec<(Sequence, Timestamp)>, LossError>;

    /// Writes rows for numbers that nobody holds, and that they were written off, in one step. A number that has a row by
    /// now keeps it. Gives how many were written.
    async fn write_off(&self, rows: &[IssuedCoupon]) -> Result<u32, LossError>;

    /// How many numbers of `coupon` have been written off.
    async fn written_off(&self, coupon: &CouponId) -> Result<u32, LossError>;
}
