//! The embedded engine's clock: the machine's, except that it never goes back.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock;
use crate::domain::Timestamp;

/// Never goes back while the process lives, so that a later sequence never has an earlier time.
#[derive(Debug, Default)]
pub(super) struct Clock {
    latest_ms: AtomicI64,
}

impl Clock {
    pub(super) fn now(&self) -> Timestamp {
        self.advance_to(clock::now().as_ms())
    }

    /// The later of `ms` and the latest time that was given.
    fn advance_to(&self, ms: i64) -> Timestamp {
        Timestamp::from_ms(ms.max(self.latest_ms.fetch_max(ms, Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_machine_clock_that_is_set_back_does_not_set_the_engine_back() {
        let clock = Clock::default();
        let moments: Vec<_> = [5, 9, 3, 8, 10].into_iter().map(|ms| clock.advance_to(ms).as_ms()).collect();
        assert_eq!(moments, [5, 9, 9, 9, 10]);
    }
}
