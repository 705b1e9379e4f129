//! The lifecycle of a coupon as set by operators, its state at a moment, and the rejections that follow from it.

use super::inventory::Inventory;
use super::time::Timestamp;
use crate::domain::sale_period::SalePeriod;

/// The lifecycle of a coupon, as set by an operator and stored. Ordered by strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// Issued during the sale period.
    Active,
    /// Not issued until resumed.
    Paused,
    /// Never issued again.
    Closed,
}

impl Lifecycle {
    /// The lifecycle as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    /// Parses a stored lifecycle.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Closed].into_iter().find(|lifecycle| lifecycle.as_str() == text)
    }
}

/// The state of a coupon at a moment. Derived from the [`Standing`], never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CouponState {
    /// The sale period has not begun.
    NotOpen,
    /// Requests are granted.
    Open,
    /// Paused by an operator.
    Paused,
    /// The total is issued.
    SoldOut,
    /// The sale period has ended, or an operator closed the coupon.
    Closed,
}

impl CouponState {
    /// The state as written in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOpen => "not_open",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }
}

/// Why a member without this coupon does not get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// The total is issued. Final, unless an operator raises the total.
    SoldOut,
    /// The sale period has not begun.
    NotOpen,
    /// Paused by an operator. Not final: a later request may be granted.
    Paused,
    /// The sale period has ended, or an operator closed the coupon. Final.
    Closed,
}

/// The facts on which requests for a coupon are decided, read by the engine in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Total and number issued.
    pub inventory: Inventory,
    /// The sale period.
    pub window: SalePeriod,
    /// The lifecycle.
    pub lifecycle: Lifecycle,
    /// The time of the step, by the engine's clock.
    pub now: Timestamp,
}

impl Standing {
    /// The state at `now`. If several states apply, the final ones come first: members of a coupon that is sold out and
    /// paused need not try again. Every engine keeps this order.
    #[must_use]
    pub fn state(&self) -> CouponState {
        if self.lifecycle == Lifecycle::Closed || self.window.is_over(self.now) {
            CouponState::Closed
        } else if self.inventory.is_sold_out() {
            CouponState::SoldOut
        } else if self.window.is_before(self.now) {
            CouponState::NotOpen
        } else if self.lifecycle == Lifecycle::Paused {
            CouponState::Paused
        } else {
            CouponState::Open
        }
    }

    /// The rejection of members without this coupon; `None` if it would be issued to them.
    #[must_use]
    pub fn rejection(&self) -> Option<Rejection> {
        match self.state() {
            CouponState::Open => None,
            CouponState::NotOpen => Some(Rejection::NotOpen),
            CouponState::Paused => Some(Rejection::Paused),
            CouponState::SoldOut => Some(Rejection::SoldOut),
            CouponState::Closed => Some(Rejection::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CouponState, Inventory, Lifecycle, SalePeriod, Standing, Timestamp};

    fn standing(issued: u32, now_ms: i64, lifecycle: Lifecycle) -> Standing {
        Standing {
            inventory: Inventory::with_issued(2, issued).unwrap(),
            window: SalePeriod::new(Timestamp::from_ms(100), Some(Timestamp::from_ms(200))).unwrap(),
            lifecycle,
            now: Timestamp::from_ms(now_ms),
        }
    }

    #[test]
    fn the_state_follows_from_sale_period_inventory_and_lifecycle() {
        for (issued, now_ms, lifecycle, expected) in [
            (0, 99, Lifecycle::Active, CouponState::NotOpen),
            (0, 99, Lifecycle::Paused, CouponState::NotOpen),
            (0, 100, Lifecycle::Active, CouponState::Open),
            (1, 150, Lifecycle::Paused, CouponState::Paused),
            (2, 150, Lifecycle::Active, CouponState::SoldOut),
            (2, 150, Lifecycle::Paused, CouponState::SoldOut),
            (2, 200, Lifecycle::Active, CouponState::Closed),
            (0, 150, Lifecycle::Closed, CouponState::Closed),
        ] {
            let state = standing(issued, now_ms, lifecycle).state();
            assert_eq!(state, expected, "issued {issued}, now {now_ms}, {lifecycle:?}");
        }
    }

    #[test]
    fn only_an_open_coupon_has_no_rejection() {
        assert_eq!(standing(0, 150, Lifecycle::Active).rejection(), None);
        assert!(standing(2, 150, Lifecycle::Active).rejection().is_some());
    }

    #[test]
    fn a_stored_lifecycle_is_parsed_to_the_same_value() {
        for lifecycle in [Lifecycle::Active, Lifecycle::Paused, Lifecycle::Closed] {
            assert_eq!(Lifecycle::parse(lifecycle.as_str()), Some(lifecycle));
        }
        assert_eq!(Lifecycle::parse("Active"), None);
    }
}
