//! Whoever wants to see how far a comparison is.

use crate::domain::{CouponId, Sequence};

/// Watches a comparison.
pub trait Watch: Send {
    /// The coupon has been compared up to `done`, of `all` sequences.
    fn compared(&mut self, _coupon: &CouponId, _done: Sequence, _all: Sequence) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
