//! Whether everything that was on its way into the database has arrived.

use crate::actors::delivery::in_flight::IN_FLIGHT_AT_MOST;
use crate::domain::Sequence;
use crate::ports::ClusterTime;

/// The queue has been seen empty, and since then neither a message nor a row has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    highest: Sequence,
    /// A moment after the queue was seen empty, by the clock that all nodes share.
    empty: ClusterTime,
}

impl Quiet {
    /// The queue had been seen empty at `empty`, while the database held rows up to `highest`.
    pub(super) fn begun(highest: Sequence, empty: ClusterTime) -> Self {
        Self { highest, empty }
    }

    /// Whether the database still holds rows up to the same.
    pub(super) fn goes_on(&self, highest: Sequence) -> bool {
        self.highest == highest
    }

    /// Who says then, or later, that nothing was in their hands for long has nothing in hand that has left the queue before
    /// it was seen empty.
    pub(super) fn told_from(&self) -> ClusterTime {
        ClusterTime(
            self.empty.0.saturating_add(i64::try_from(IN_FLIGHT_AT_MOST.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterTime, Quiet};

    #[test]
    fn a_row_that_comes_ends_it_and_it_counts_a_second_later() {
        let quiet = Quiet::begun(5, ClusterTime(7));
        assert!(quiet.goes_on(5) && !quiet.goes_on(6));
        assert_eq!(quiet.told_from(), ClusterTime(1_000_007));
    }
}
