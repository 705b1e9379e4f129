//! The embedded engine's clock: the computer's, except that it never goes back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Gives moments that never go back while the process lives, so that a later sequence never has an earlier time.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest moment given, in milliseconds since 1970.
    latest_ms: AtomicI64,
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        // A clock before 1970 is broken; the answer is then 1970, when nothing is open.
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at_least(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    fn at_least(&self, ms: i64) -> Timestamp {
        Timestamp::from_ms(ms.max(self.latest_ms.fetch_max(ms, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_computer_whose_clock_is_set_back_does_not_set_ours_back() {
        let clock = Clock::default();
        let moments: Vec<_> = [5, 9, 3, 8, 10].into_iter().map(|ms| clock.at_least(ms).as_ms()).collect();
        assert_eq!(moments, [5, 9, 9, 9, 10]);
    }
}
