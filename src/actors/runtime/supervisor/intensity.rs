//! How often an actor may be made again before somebody has to look at it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most restarts within [`WITHIN`]. What is away or slow kills no actor: one that dies has met a mistake in the
/// program or in its data. Five more tries rule out chance; a hundred would only fill the log.
pub(crate) const RESTARTS_MAX: usize = 5;
/// Over how long restarts are counted: with the waits between them, an actor that dies at once uses up its tries within a
/// second, and one that dies every quarter of a minute goes on.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// The restarts of the last minute.
#[derive(Debug, Default)]
pub(super) struct Intensity {
    /// At most [`RESTARTS_MAX`], the oldest first.
    recent: VecDeque<Instant>,
}

impl Intensity {
    /// Whether one more restart is allowed now; if so, it is counted.
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

    /// Begins anew, because an operator said so.
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
    fn an_operators_word_begins_anew() {
        let (mut intensity, now) = (Intensity::default(), Instant::now());
        while intensity.allows(now) {}
        intensity.forget();
        assert!(intensity.allows(now));
    }
}
