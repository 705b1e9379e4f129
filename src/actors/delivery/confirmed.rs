//! The sequences that the broker has confirmed: for each coupon a set of ranges, so that a million sequences in a row take
//! one entry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::{CouponId, Sequence};
use crate::sync::Locked;

/// Disjoint ranges that do not touch: first sequence to last sequence.
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

    /// The largest sequence up to which the ranges contain every sequence after `floor`.
    fn through(&self, floor: Sequence) -> Sequence {
        let next = floor.saturating_add(1);
        self.0.range(..=next).next_back().map_or(floor, |(_, last)| floor.max(*last))
    }

    fn forget_through(&mut self, through: Sequence) {
        self.0.retain(|_, last| *last > through);
    }
}

/// The confirms that this node has received. They are lost with the node; the sweep then publishes the entries again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Confirmed(Arc<Locked<HashMap<CouponId, Ranges>>>);

impl Confirmed {
    pub(crate) fn add(&self, coupon: &CouponId, sequence: Sequence) {
        let mut coupons = self.0.lock();
        match coupons.get_mut(coupon) {
            Some(ranges) => ranges.add(sequence),
            None => coupons.entry(coupon.clone()).or_default().add(sequence),
        }
    }

    pub(crate) fn contains(&self, coupon: &CouponId, sequence: Sequence) -> bool {
        self.0.lock().get(coupon).is_some_and(|ranges| ranges.contains(sequence))
    }

    /// The largest sequence up to which every sequence after `floor` is confirmed.
    pub(crate) fn through(&self, coupon: &CouponId, floor: Sequence) -> Sequence {
        self.0.lock().get(coupon).map_or(floor, |ranges| ranges.through(floor))
    }

    /// The largest confirmed sequence; there may be gaps below it.
    pub(crate) fn last(&self, coupon: &CouponId) -> Option<Sequence> {
        self.0.lock().get(coupon)?.0.last_key_value().map(|(_, last)| *last)
    }

    /// Forgets the sequences that the database holds.
    pub(crate) fn forget_through(&self, coupon: &CouponId, through: Sequence) {
        if let Some(ranges) = self.0.lock().get_mut(coupon) {
            ranges.forget_through(through);
        }
    }

    /// Forgets all sequences of the coupon: the broker has lost messages that it had confirmed.
    pub(crate) fn forget(&self, coupon: &CouponId) {
        self.0.lock().remove(coupon);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ranges;

    #[test]
    fn adjacent_sequences_share_a_range() {
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
