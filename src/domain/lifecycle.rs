//! What an operator has said of a coupon, what follows from it at a moment, and why a member may be refused.

use std::fmt;

use super::inventory::Inventory;
use super::time::Timestamp;
use crate::domain::sale_period::SalePeriod;

/// What an operator has said of a coupon; stored. In order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// It may be issued inside its window.
    Active,
    /// It is held for now.
    Paused,
    /// It is over for good.
    Closed,
}

impl Lifecycle {
    /// The word it is stored as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }

    /// Reads the word it is stored as.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "paused" => Some(Self::Paused),
            "closed" => Some(Self::Closed),
            _ => None,
        }
    }
}

/// What a coupon is at a moment; derived, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CouponState {
    /// Its window has not begun.
    NotOpen,
    /// Members who ask get one.
    Open,
    /// An operator holds it.
    Paused,
    /// Every coupon has been issued.
    SoldOut,
    /// Its window has ended, or an operator closed it.
    Closed,
}

impl CouponState {
    /// The word for it in answers.
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

impl fmt::Display for CouponState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a member who holds no coupon of this kind gets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Every coupon has been issued. Final, unless an operator raises the total.
    SoldOut,
    /// The window has not begun.
    NotOpen,
    /// An operator holds it: nothing has been decided, ask again.
    Paused,
    /// It is over. Final.
    Closed,
}

/// Everything that decides about a coupon at one moment, as one engine saw it in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many exist and how many are issued.
    pub inventory: Inventory,
    /// When it may be issued.
    pub window: SalePeriod,
    /// What the operator has said.
    pub lifecycle: Lifecycle,
    /// The engine's clock when it answered.
    pub now: Timestamp,
}

impl Standing {
    /// What the coupon is at this moment. The order matters where several hold: what is final comes first, so that
    /// a sold out coupon which is also paused does not make members come back in vain. Every engine keeps this order.
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

    /// Why a member who asks now and holds none gets none; `None` when one would be issued.
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
    fn the_state_follows_from_window_stock_and_operator() {
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
    fn only_an_open_coupon_rejects_nobody() {
        assert_eq!(standing(0, 150, Lifecycle::Active).rejection(), None);
        assert!(standing(2, 150, Lifecycle::Active).rejection().is_some());
    }

    #[test]
    fn what_is_stored_reads_back() {
        for lifecycle in [Lifecycle::Active, Lifecycle::Paused, Lifecycle::Closed] {
            assert_eq!(Lifecycle::parse(lifecycle.as_str()), Some(lifecycle));
        }
        assert_eq!(Lifecycle::parse("Active"), None);
    }
}
