//! When a coupon may be issued: from its opening until its closing, if it has one.

use super::time::Timestamp;

/// Why two moments make no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SalePeriodError {
    /// Nothing could ever be issued.
    #[error("closes_at must be after opens_at")]
    ClosesBeforeOpening,
}

/// The half-open span `[opens_at, closes_at)`; without `closes_at` it never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalePeriod {
    opens_at: Timestamp,
    closes_at: Option<Timestamp>,
}

impl SalePeriod {
    /// A window from `opens_at` until `closes_at`.
    ///
    /// # Errors
    /// [`SalePeriodError::ClosesBeforeOpening`] unless the closing is later than the opening.
    pub fn new(opens_at: Timestamp, closes_at: Option<Timestamp>) -> Result<Self, SalePeriodError> {
        if closes_at.is_some_and(|closes_at| closes_at <= opens_at) {
            return Err(SalePeriodError::ClosesBeforeOpening);
        }
        Ok(Self { opens_at, closes_at })
    }

    /// The first moment at which coupons are issued.
    #[must_use]
    pub fn opens_at(self) -> Timestamp {
        self.opens_at
    }

    /// The first moment at which no more are issued.
    #[must_use]
    pub fn closes_at(self) -> Option<Timestamp> {
        self.closes_at
    }

    /// Whether the window has not begun at `now`.
    #[must_use]
    pub fn is_before(self, now: Timestamp) -> bool {
        now < self.opens_at
    }

    /// Whether the window has ended at `now`.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self.closes_at.is_some_and(|closes_at| now >= closes_at)
    }
}

#[cfg(test)]
mod tests {
    use super::{SalePeriod, SalePeriodError, Timestamp};

    #[test]
    fn both_edges_are_half_open() {
        let (opens, closes) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
        let window = SalePeriod::new(opens, Some(closes)).unwrap();
        assert!(window.is_before(opens.plus_ms(-1)) && !window.is_before(opens));
        assert!(!window.is_over(closes.plus_ms(-1)) && window.is_over(closes));
    }

    #[test]
    fn an_empty_window_is_refused() {
        let at = Timestamp::from_ms(5);
        assert_eq!(SalePeriod::new(at, Some(at)), Err(SalePeriodError::ClosesBeforeOpening));
    }

    #[test]
    fn a_window_without_end_is_never_over() {
        let window = SalePeriod::new(Timestamp::from_ms(0), None).unwrap();
        assert!(!window.is_over(Timestamp::from_ms(i64::MAX)));
    }
}
