//! Whether everything that was on its way into the database has arrived.

use std::time::{Duration, Instant};

use crate::domain::Sequence;

/// How long after the queue was seen empty what persisters had in hand is taken to be written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// The queue has been seen empty, and since then no row has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    highest: Sequence,
    since: Instant,
}

impl Quiet {
    /// Takes note that the queue is empty while the database holds rows up to `highest`.
    pub(super) fn seen(before: Option<Self>, highest: Sequence, now: Instant) -> Self {
        before.filter(|quiet| quiet.highest == highest).unwrap_or(Self { highest, since: now })
    }

    /// Whether it has been so for long enough.
    pub(super) fn lasts(self, now: Instant) -> bool {
        now.duration_since(self.since) >= WRITTEN_WITHIN
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, Quiet, WRITTEN_WITHIN};

    #[test]
    fn a_row_that_comes_begins_the_wait_anew() {
        let begin = Instant::now();
        let quiet = Quiet::seen(None, 5, begin);
        assert!(!quiet.lasts(begin));
        let quiet = Quiet::seen(Some(quiet), 5, begin + WRITTEN_WITHIN);
        assert!(quiet.lasts(begin + WRITTEN_WITHIN));
        let quiet = Quiet::seen(Some(quiet), 6, begin + WRITTEN_WITHIN);
        assert!(!quiet.lasts(begin + WRITTEN_WITHIN));
    }
}
