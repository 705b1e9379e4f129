//! The proof that every message that was in the queue has become a row.

use crate::actors::delivery::in_flight::IN_FLIGHT_AT_MOST;
use crate::domain::Sequence;
use crate::ports::ClusterTime;

/// The queue was seen empty; the proof holds as long as neither a message nor a row arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmptyQueue {
    highest: Sequence,
    seen_at: ClusterTime,
}

impl EmptyQueue {
    /// The queue was empty before `seen_at`, while the database held rows up to `highest`.
    pub(super) fn new(highest: Sequence, seen_at: ClusterTime) -> Self {
        Self { highest, seen_at }
    }

    pub(super) fn is_unchanged(&self, highest: Sequence) -> bool {
        self.highest == highest
    }

    /// A node that reports idle persisters at this time or later holds no delivery from before the queue was empty.
    pub(super) fn idle_from(&self) -> ClusterTime {
        let at_most = i64::try_from(IN_FLIGHT_AT_MOST.as_micros()).unwrap_or(i64::MAX);
        ClusterTime(self.seen_at.0.saturating_add(at_most))
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterTime, EmptyQueue};

    #[test]
    fn a_new_row_ends_the_proof_and_reports_count_a_second_later() {
        let empty_queue = EmptyQueue::new(5, ClusterTime(7));
        assert!(empty_queue.is_unchanged(5) && !empty_queue.is_unchanged(6));
        assert_eq!(empty_queue.idle_from(), ClusterTime(1_000_007));
    }
}
