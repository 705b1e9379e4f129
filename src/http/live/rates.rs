//! How fast coupons go: from what was issued at the moments at which it was looked at.

use std::collections::{HashMap, VecDeque};

use crate::domain::{CouponId, Timestamp};

/// Over how much of the past the rate is taken: long enough not to flicker, short enough to be now.
const OVER_MS: u64 = 5_000;

/// The rates of the coupons that are watched.
#[derive(Debug, Default)]
pub(super) struct Rates {
    seen: HashMap<CouponId, VecDeque<(Timestamp, u32)>>,
}

impl Rates {
    /// Notes that `issued` were issued at `now`, by a clock of which only differences count; gives how many a second were.
    pub(super) fn note(&mut self, id: &CouponId, now: Timestamp, issued: u32) -> f64 {
        let seen = self.seen.entry(id.clone()).or_default();
        // The same moment looked at twice says nothing new, and a clock that was set back begins anew.
        match seen.back() {
            Some((last, _)) if *last == now => {}
            Some((last, before)) if *last > now || *before > issued => {
                seen.clear();
                seen.push_back((now, issued));
            }
            _ => seen.push_back((now, issued)),
        }
        while seen.len() > 2 && seen.get(1).is_some_and(|(at, _)| now.ms_since(*at) >= OVER_MS) {
            seen.pop_front();
        }
        rate(seen)
    }

    /// Forgets coupons that are not among `shown`.
    pub(super) fn keep(&mut self, shown: impl Fn(&CouponId) -> bool) {
        self.seen.retain(|id, _| shown(id));
    }
}

fn rate(seen: &VecDeque<(Timestamp, u32)>) -> f64 {
    let (Some((first_at, first)), Some((last_at, last))) = (seen.front(), seen.back()) else { return 0.0 };
    let ms = last_at.ms_since(*first_at);
    if ms == 0 {
        return 0.0;
    }
    // Tenths are what a reader can use.
    #[allow(clippy::cast_precision_loss)]
    let per_s = f64::from(last - first) * 1_000.0 / ms as f64;
    (per_s * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::Rates;
    use crate::domain::{CouponId, Timestamp};

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (mut rates, id) = (Rates::default(), CouponId::parse("drop").unwrap());
        let mut at = |second: i64, issued| rates.note(&id, Timestamp::from_ms(second * 1_000), issued);
        assert_eq!(at(0, 100), 0.0);
        assert_eq!(at(1, 150), 50.0);
        assert_eq!(at(1, 150), 50.0, "the same moment again");
        assert_eq!(at(2, 155), 27.5);
        for second in 3..=7 {
            at(second, 155);
        }
        assert_eq!(at(8, 155), 0.0, "what was long ago does not count");
    }

    #[test]
    fn a_clock_that_was_set_back_or_a_rebuilt_coupon_begins_anew() {
        let (mut rates, id) = (Rates::default(), CouponId::parse("drop").unwrap());
        let mut at = |ms: i64, issued| rates.note(&id, Timestamp::from_ms(ms), issued);
        at(10_000, 100);
        assert_eq!(at(9_000, 200), 0.0);
        assert_eq!(at(10_000, 210), 10.0);
        assert_eq!(at(11_000, 50), 0.0);
        assert_eq!(at(12_000, 60), 10.0);
    }
}
