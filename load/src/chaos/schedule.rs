//! The order of the faults, determined by the seed alone.

use super::faults::Fault;
use crate::rng::Rng;

/// An endless sequence of faults: all of them in random order, then all again in another order.
pub(super) struct Schedule {
    faults: Vec<&'static Fault>,
    left: Vec<&'static Fault>,
    rng: Rng,
}

/// A fault and the random generator of its decisions.
pub(super) struct Turn {
    pub(super) fault: &'static Fault,
    pub(super) rng: Rng,
}

impl Schedule {
    pub(super) fn new(faults: Vec<&'static Fault>, seed: u64) -> Self {
        Self { faults, left: Vec::new(), rng: Rng::new(seed) }
    }

    pub(super) fn len(&self) -> usize {
        self.faults.len()
    }

    /// The next fault; `None` only without any fault.
    pub(super) fn next(&mut self) -> Option<Turn> {
        if self.left.is_empty() {
            self.left.clone_from(&self.faults);
            self.rng.shuffle(&mut self.left);
        }
        let seed = self.rng.next_u64();
        self.left.pop().map(|fault| Turn { fault, rng: Rng::new(seed) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::FAULTS;
    use super::*;

    fn names(seed: u64, count: usize) -> Vec<(&'static str, u64)> {
        let mut schedule = Schedule::new(FAULTS.iter().collect(), seed);
        let turns = std::iter::from_fn(|| schedule.next()).take(count);
        turns.map(|mut turn| (turn.fault.name, turn.rng.next_u64())).collect()
    }

    #[test]
    fn the_seed_determines_the_schedule() {
        assert_eq!(names(7, 100), names(7, 100));
        assert_ne!(names(7, 100), names(8, 100));
    }

    #[test]
    fn every_fault_comes_once_before_one_comes_again() {
        let mut round: Vec<_> = names(7, FAULTS.len()).into_iter().map(|(name, _)| name).collect();
        round.sort_unstable();
        let mut all: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        all.sort_unstable();
        assert_eq!(round, all);
    }

    #[test]
    fn fault_names_are_unique() {
        let names: std::collections::BTreeSet<_> = FAULTS.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), FAULTS.len());
    }
}
