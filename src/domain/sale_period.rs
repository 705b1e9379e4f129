//! The sale period of a coupon.

use super::time::Timestamp;

/// Two times that form no sale period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SalePeriodError {
    /// The period would be empty.
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
    /// The period from `opens_at` to `closes_at`, which must be later.
    pub fn new(opens_at: Timestamp, closes_at: Option<Timestamp>) -> Result<Self, SalePeriodError> {
        if closes_at.is_some_and(|closes_at| closes_at <= opens_at) {
            return Err(SalePeriodError::ClosesBeforeOpening);
        }
        Ok(Self { opens_at, closes_at })
    }

    /// The first moment of the period.
    #[must_use]
    pub fn opens_at(self) -> Timestamp {
        self.opens_at
    }

    /// The first moment after the period; `None` if it never ends.
    #[must_use]
    pub fn closes_at(self) -> Option<Timestamp> {
        self.closes_at
    }

    /// Whether the period has not begun at `now`.
    #[must_use]
    pub fn is_before(self, now: Timestamp) -> bool {
        now < self.opens_at
    }

    /// Whether the period has ended at `now`.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self.closes_at.is_some_and(|closes_at| now >= closes_at)
    }
}

#[cfg(test)]
mod tests {
    use super::{SalePeriod, SalePeriodError, Timestamp};

    #[test]
    fn the_opening_is_inside_and_the_closing_is_not() {
        let (opens, closes) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
        let period = SalePeriod::new(opens, Some(closes)).unwrap();
        assert!(period.is_before(opens.plus_ms(-1)) && !period.is_before(opens));
        assert!(!period.is_over(closes.plus_ms(-1)) && period.is_over(closes));
    }

    #[test]
    fn an_empty_period_is_refused() {
        let at = Timestamp::from_ms(5);
        assert_eq!(SalePeriod::new(at, Some(at)), Err(SalePeriodError::ClosesBeforeOpening));
    }

    #[test]
    fn a_period_without_end_is_never_over() {
        let period = SalePeriod::new(Timestamp::from_ms(0), None).unwrap();
        assert!(!period.is_over(Timestamp::from_ms(i64::MAX)));
    }
}
