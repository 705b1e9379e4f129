//! Which sequences the broker has confirmed: for each coupon a set of ranges, so that a million of them are one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{CouponId, Sequence};

/// Ranges of sequences, disjoint and not touching: first to last.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<Sequence, Sequence>);

impl Ranges {
    fn add(&mut self, sequence: Sequence) {
        if self.contains(sequence) {
            return;
        }
        let mut last = sequence;
        if let Some(end) = self.0.remove(&sequence.saturating_add(1)) {
            last = end;
        }
        match self.0.range_mut(..sequence).next_back() {
            Some((_, end)) if end.saturating_add(1) == sequence => *end = last,
            _ => {
                self.0.insert(sequence, last);
            }
        }
    }

    fn contains(&self, sequence: Sequence) -> bool {
        self.0.range(..=sequence).next_back().is_some_and(|(_, last)| *last >= sequence)
    }

    /// The largest sequence up to which everything after `floor` is in.
    fn through(&self, floor: Sequence) -> Sequence {
        let next = floor.saturating_add(1);
        self.0.range(..=next).next_back().map_or(floor, |(_, last)| floor.max(*last))
    }

    fn forget_through(&mut self, through: Sequence) {
        self.0.retain(|_, last| *last > through);
    }
}

/// What this node knows to be in the broker's hands. Lost with the node, and then made good by publishing again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Confirmed(Arc<Mutex<HashMap<CouponId, Ranges>>>);

impl Confirmed {
    pub(crate) fn add(&self, coupon: &CouponId, sequence: Sequence) {
        let mut coupons = self.lock();
        match coupons.get_mut(coupon) {
            Some(ranges) => ranges.add(sequence),
            None => coupons.entry(coupon.clone()).or_default().add(sequence),
        }
    }

    pub(crate) fn contains(&self, coupon: &CouponId, sequence: Sequence) -> bool {
        self.lock().get(coupon).is_some_and(|ranges| ranges.contains(sequence))
    }

    /// The largest sequence up to which everything after `floor` is confirmed.
    pub(crate) fn through(&self, coupon: &CouponId, floor: Sequence) -> Sequence {
        self.lock().get(coupon).map_or(floor, |ranges| ranges.through(floor))
    }

    /// The largest sequence that is confirmed, whatever lacks below it.
    pub(crate) fn last(&self, coupon: &CouponId) -> Option<Sequence> {
        self.lock().get(coupon)?.0.last_key_value().map(|(_, last)| *last)
    }

    /// Lets go of what the database holds.
    pub(crate) fn forget_through(&self, coupon: &CouponId, through: Sequence) {
        if let Some(ranges) = self.lock().get_mut(coupon) {
            ranges.forget_through(through);
        }
    }

    /// Lets go of everything: the broker no longer has what it confirmed.
    pub(crate) fn forget(&self, coupon: &CouponId) {
        self.lock().remove(coupon);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CouponId, Ranges>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ranges;

    #[test]
    fn neighbours_grow_together() {
        let mut ranges = Ranges::default();
        for sequence in [1, 3, 2, 5] {
            ranges.add(sequence);
        }
        assert_eq!(ranges.0.into_iter().collect::<Vec<_>>(), [(1, 3), (5, 5)]);
    }

    proptest! {
        #[test]
        fn ranges_are_a_set(added in prop::collection::vec(1u32..200, 0..150), floor in 0u32..200) {
            let mut ranges = Ranges::default();
            let model: BTreeSet<u32> = added.iter().copied().collect();
            for sequence in added { ranges.add(sequence); }
            for sequence in 0..=201 {
                prop_assert_eq!(ranges.contains(sequence), model.contains(&sequence));
            }
            let expected = (floor + 1..).take_while(|s| model.contains(s)).last().unwrap_or(floor);
            prop_assert_eq!(ranges.through(floor), expected);
            ranges.forget_through(floor);
            for sequence in floor + 1..=201 {
                prop_assert_eq!(ranges.contains(sequence), model.contains(&sequence));
            }
        }
    }
}
