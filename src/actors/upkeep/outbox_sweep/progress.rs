//! A sweep's memory of one coupon's outbox, and the age at which an entry is overdue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::Sequence;

/// The time that an entry's own publisher and persister have before the sweep publishes it again.
const OVERDUE_AFTER: Duration = Duration::from_secs(3);

pub(super) struct Progress {
    /// The database holds every sequence up to this one.
    pub(super) watermark: Sequence,
    /// The last change of the watermark.
    pub(super) moved_at: Instant,
    /// Losses of the queue in a row; each doubles the time until the next one is assumed.
    pub(super) losses: u32,
    /// The highest issued sequence over time. It gives an entry's age without comparing clocks of two machines.
    issued: VecDeque<(Instant, Sequence)>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { watermark: 0, moved_at: Instant::now(), losses: 0, issued: VecDeque::new() }
    }

    /// Records the highest issued sequence; gives the highest overdue one.
    pub(super) fn record_issued(&mut self, now: Instant, issued: Sequence) -> Sequence {
        if self.issued.back().is_none_or(|(_, last)| *last != issued) {
            self.issued.push_back((now, issued));
        }
        let is_old = |(at, _): &(Instant, Sequence)| now.duration_since(*at) >= OVERDUE_AFTER;
        while self.issued.len() > 1 && self.issued.get(1).is_some_and(is_old) {
            self.issued.pop_front();
        }
        self.issued.front().filter(|entry| is_old(entry)).map_or(0, |(_, sequence)| *sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, OVERDUE_AFTER, Progress};

    #[test]
    fn an_entry_is_overdue_when_it_was_seen_long_enough_ago() {
        let (mut progress, begin) = (Progress::new(), Instant::now());
        assert_eq!(progress.record_issued(begin, 5), 0);
        assert_eq!(progress.record_issued(begin + Duration::from_secs(1), 9), 0);
        assert_eq!(progress.record_issued(begin + OVERDUE_AFTER, 9), 5);
        assert_eq!(progress.record_issued(begin + OVERDUE_AFTER + Duration::from_secs(1), 9), 9);
        assert!(progress.issued.len() <= 2, "older entries are forgotten");
    }
}
