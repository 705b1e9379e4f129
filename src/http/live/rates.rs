//! Rates of issuing, from counts that were recorded at different times.

use std::collections::{HashMap, VecDeque};

use crate::domain::{CouponId, Timestamp};

/// The period of the rate: long enough not to flicker, short enough to be current.
const PERIOD_MS: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Rates {
    recorded: HashMap<CouponId, VecDeque<(Timestamp, u32)>>,
}

impl Rates {
    /// Records the number of coupons issued until `now`, and returns the rate per second. Only differences of `now` count.
    pub(super) fn record(&mut self, id: &CouponId, now: Timestamp, issued: u32) -> f64 {
        let counts = self.recorded.entry(id.clone()).or_default();
        // The same time again adds nothing. After a clock was set back, or a count has shrunk, the rate starts anew.
        match counts.back() {
            Some((last, _)) if *last == now => {}
            Some((last, before)) if *last > now || *before > issued => {
                counts.clear();
                counts.push_back((now, issued));
            }
            _ => counts.push_back((now, issued)),
        }
        while counts.len() > 2 && counts.get(1).is_some_and(|(at, _)| now.ms_since(*at) >= PERIOD_MS) {
            counts.pop_front();
        }
        rate(counts)
    }

    /// Forgets coupons that are not shown.
    pub(super) fn retain(&mut self, is_shown: impl Fn(&CouponId) -> bool) {
        self.recorded.retain(|id, _| is_shown(id));
    }
}

fn rate(counts: &VecDeque<(Timestamp, u32)>) -> f64 {
    let (Some((first_at, first)), Some((last_at, last))) = (counts.front(), counts.back()) else {
        return 0.0;
    };
    let ms = last_at.ms_since(*first_at);
    if ms == 0 {
        return 0.0;
    }
    // Tenths are enough for a reader.
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
        let mut at = |second: i64, issued| rates.record(&id, Timestamp::from_ms(second * 1_000), issued);
        assert_eq!(at(0, 100), 0.0);
        assert_eq!(at(1, 150), 50.0);
        assert_eq!(at(1, 150), 50.0, "the same time again");
        assert_eq!(at(2, 155), 27.5);
        for second in 3..=7 {
            at(second, 155);
        }
        assert_eq!(at(8, 155), 0.0, "older counts do not matter");
    }

    #[test]
    fn a_clock_set_back_or_a_smaller_count_starts_the_rate_anew() {
        let (mut rates, id) = (Rates::default(), CouponId::parse("drop").unwrap());
        let mut at = |ms: i64, issued| rates.record(&id, Timestamp::from_ms(ms), issued);
        at(10_000, 100);
        assert_eq!(at(9_000, 200), 0.0);
        assert_eq!(at(10_000, 210), 10.0);
        assert_eq!(at(11_000, 50), 0.0);
        assert_eq!(at(12_000, 60), 10.0);
    }
}
