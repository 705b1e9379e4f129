//! Answers to an issue request.

use crate::domain::{IssuedCoupon, Rejection, Timestamp};

/// The member's issuance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub coupon: IssuedCoupon,
    /// Whether an earlier request issued it.
    pub again: bool,
}

/// The decision on one member, by the engine or by the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Issued(Issued),
    Rejected {
        rejection: Rejection,
        /// Begin of the sale period; present if the rejection is [`Rejection::NotOpen`].
        opens_at: Option<Timestamp>,
    },
}

/// Reasons for having no decision. None of them is a rejection: requesting again gives the true answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The queue of the coupon is full; the engine was not asked.
    #[error("too many members are waiting for this coupon")]
    Overloaded,
    /// The engine is being verified; nothing was decided.
    #[error("the coupon's state is being recovered")]
    Recovering,
    /// The engine did not answer in time; it may have issued a coupon.
    #[error("the outcome is not known")]
    Unknown,
}
