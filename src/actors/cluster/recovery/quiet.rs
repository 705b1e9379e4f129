//! Whether everything that was on its way into the database has arrived.

use crate::actors::delivery::in_flight::HELD_AT_MOST;
use crate::domain::Sequence;
use crate::ports::Stamp;

/// The queue has been seen empty, and since then neither a message nor a row has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    highest: Sequence,
    /// A moment after the queue was seen empty, by the clock that all nodes share.
    empty: Stamp,
}

impl Quiet {
    /// The queue had been seen empty at `empty`, while the database held rows up to `highest`.
    pub(super) fn begun(highest: Sequence, empty: Stamp) -> Self {
        Self { highest, empty }
    }

    /// Whether the database still holds rows up to the same.
    pub(super) fn goes_on(&self, highest: Sequence) -> bool {
        self.highest == highest
    }

    /// Who says then, or later, that nothing was in their hands for long has nothing in hand that has left the queue before
    /// it was seen empty.
    pub(super) fn told_from(&self) -> Stamp {
        Stamp(self.empty.0.saturating_add(i64::try_from(HELD_AT_MOST.as_micros()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Quiet, Stamp};

    #[test]
    fn a_row_that_comes_ends_it_and_it_counts_a_second_later() {
        let quiet = Quiet::begun(5, Stamp(7));
        assert!(quiet.goes_on(5) && !quiet.goes_on(6));
        assert_eq!(quiet.told_from(), Stamp(1_000_007));
    }
}
