//! Restart intensity: the bound on automatic restarts, beyond which an actor stays down for an operator.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts within [`WITHIN`]. A service that is down or slow kills no actor, so a death means an error in the program or
/// in its data. Five more tries rule out chance; a hundred would only fill the log.
pub(crate) const RESTARTS_MAX: usize = 5;
/// Period over which restarts are counted. With the backoff between them, an actor that dies at once uses up its restarts
/// within a second, and an actor that dies every 15 s is restarted for ever.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Intensity {
    /// Times of the restarts within the period, the oldest first.
    recent: VecDeque<Instant>,
}

impl Intensity {
    /// Counts one more restart at `now`, if it is allowed.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= WITHIN) {
            self.recent.pop_front();
        }
        let is_allowed = self.recent.len() < RESTARTS_MAX;
        if is_allowed {
            self.recent.push_back(now);
        }
        is_allowed
    }

    pub(super) fn forget(&mut self) {
        self.recent.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Intensity, RESTARTS_MAX, WITHIN};

    #[test]
    fn the_sixth_restart_within_a_minute_is_one_too_many() {
        let (mut intensity, begin) = (Intensity::default(), Instant::now());
        for n in 0..RESTARTS_MAX {
            assert!(intensity.allows(begin + Duration::from_secs(n as u64)), "{n}");
        }
        assert!(!intensity.allows(begin + Duration::from_secs(5)));
        assert!(!intensity.allows(begin + WITHIN - Duration::from_millis(1)), "the first still counts");
        assert!(intensity.allows(begin + WITHIN), "the first is a minute ago");
        assert!(!intensity.allows(begin + WITHIN), "the second is not");
    }

    #[test]
    fn forgetting_earlier_restarts_allows_new_ones() {
        let (mut intensity, now) = (Intensity::default(), Instant::now());
        while intensity.allows(now) {}
        intensity.forget();
        assert!(intensity.allows(now));
    }
}
