//! What a sweep remembers of one coupon's outbox, and when an entry in it is overdue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::Sequence;

/// How long an entry may be in the outbox before it is offered again.
const OVERDUE_AFTER: Duration = Duration::from_secs(3);
/// The same for what a node found when it began: whoever decided that may be dead, and then nobody else publishes it.
const FOUND_OVERDUE_AFTER: Duration = Duration::from_millis(500);
/// For how long it is, before it is left to the one that sweeps for all.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// What is known of one coupon's outbox.
pub(super) struct Progress {
    /// The database holds every sequence up to this.
    pub(super) watermark: Sequence,
    /// When the watermark last moved.
    pub(super) moved: Instant,
    /// How often in a row everything was taken for lost; each time it takes twice as long until the next.
    pub(super) losses: u32,
    /// What had been issued when; tells the age of an entry without comparing clocks of different machines.
    seen: VecDeque<(Instant, Sequence)>,
    /// What this sweep found when it first saw the coupon, until it has offered it.
    found: Option<(Instant, Sequence)>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { watermark: 0, moved: Instant::now(), losses: 0, seen: VecDeque::new(), found: None }
    }

    /// Notes that `issued` had been issued when the sweep began, by nodes that may be dead.
    pub(super) fn found(&mut self, now: Instant, issued: Sequence) {
        self.found = Some((now, issued)).filter(|_| issued > 0);
    }

    /// Notes what is issued now; gives the largest sequence that is overdue.
    pub(super) fn overdue(&mut self, now: Instant, issued: Sequence) -> Sequence {
        if self.seen.back().is_none_or(|(_, last)| *last != issued) {
            self.seen.push_back((now, issued));
        }
        let is_old = |(at, _): &(Instant, Sequence)| now.duration_since(*at) >= OVERDUE_AFTER;
        while self.seen.len() > 1 && self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        let overdue = self.seen.front().filter(|seen| is_old(seen)).map_or(0, |(_, sequence)| *sequence);
        overdue.max(self.found_overdue(now))
    }

    /// As much of what was found at the beginning as is overdue by now.
    fn found_overdue(&self, now: Instant) -> Sequence {
        let is_old = |(at, _): &(Instant, Sequence)| now.duration_since(*at) >= FOUND_OVERDUE_AFTER;
        self.found.filter(is_old).map_or(0, |(_, sequence)| sequence)
    }

    /// Whether something that was found at the beginning has not got through.
    pub(super) fn has_found(&self) -> bool {
        self.found.is_some()
    }

    /// Leaves what was found at the beginning to the sweep for all: it has been offered, or that took too long.
    pub(super) fn found_is_done(&mut self, now: Instant, offered: bool) {
        self.found = self.found.filter(|(at, _)| !offered && now.duration_since(*at) < FOUND_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FOUND_OVERDUE_AFTER, FOUND_WITHIN, Instant, OVERDUE_AFTER, Progress};

    #[test]
    fn an_entry_is_overdue_when_it_was_seen_long_enough_ago() {
        let (mut progress, begin) = (Progress::new(), Instant::now());
        assert_eq!(progress.overdue(begin, 5), 0);
        assert_eq!(progress.overdue(begin + Duration::from_secs(1), 9), 0);
        assert_eq!(progress.overdue(begin + OVERDUE_AFTER, 9), 5);
        assert_eq!(progress.overdue(begin + OVERDUE_AFTER + Duration::from_secs(1), 9), 9);
        assert!(progress.seen.len() <= 2, "what is settled is forgotten");
    }

    #[test]
    fn what_was_found_at_the_beginning_is_overdue_sooner_until_it_has_been_offered() {
        let (mut progress, begin) = (Progress::new(), Instant::now());
        progress.found(begin, 5);
        assert_eq!(progress.overdue(begin, 5), 0);
        let soon = begin + FOUND_OVERDUE_AFTER;
        assert_eq!(progress.overdue(soon, 9), 5);
        progress.found_is_done(soon, false);
        assert_eq!(progress.overdue(soon, 9), 5, "it has not been offered");
        progress.found_is_done(soon, true);
        assert!(!progress.has_found());
        assert_eq!(progress.overdue(soon, 9), 0);
    }

    #[test]
    fn what_cannot_be_offered_is_left_to_the_sweep_for_all() {
        let (mut progress, begin) = (Progress::new(), Instant::now());
        progress.found(begin, 5);
        progress.found_is_done(begin + FOUND_WITHIN, false);
        assert!(!progress.has_found());
    }

    #[test]
    fn nothing_is_found_where_nothing_was_issued() {
        let mut progress = Progress::new();
        progress.found(Instant::now(), 0);
        assert!(!progress.has_found());
    }
}
