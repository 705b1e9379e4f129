//! What comes back to whoever asked for a coupon.

use crate::domain::{IssuedCoupon, Rejection, Timestamp};

/// A coupon in the member's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The coupon.
    pub coupon: IssuedCoupon,
    /// Whether the member held it before they asked.
    pub again: bool,
}

/// The engine's true word on one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The member holds a coupon.
    Issued(Issued),
    /// The member gets none.
    Rejected {
        /// Why not.
        rejection: Rejection,
        /// When the window begins, by the clock of this node, if that is why.
        opens_at: Option<Timestamp>,
    },
}

/// Why nobody can say. None of these is ever a "no": asking again gives the true answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Too many are waiting already; nothing was asked.
    #[error("too many members are waiting for this coupon")]
    Overloaded,
    /// The engine is being verified; nothing was decided.
    #[error("the coupon's state is being recovered")]
    Recovering,
    /// The engine did not answer in time; it may have issued a coupon.
    #[error("the outcome is not known")]
    Unknown,
}
