//! The totals of the coupons over time, derived from the operator's calls.

use std::collections::HashMap;

use crate::chaos::history::{Call, Op, Outcome};

/// A call that sets the total.
#[derive(Debug)]
struct Change {
    /// Time of the answer; `None` without one, in which case the change may have happened or not.
    done_us: Option<u64>,
    total: u32,
    created: bool,
}

/// The totals of all coupons, which only grow.
#[derive(Debug, Default)]
pub(super) struct Totals<'a>(HashMap<&'a str, Vec<Change>>);

impl<'a> Totals<'a> {
    pub(super) fn new(ops: &'a [Op]) -> Self {
        let mut totals = Self::default();
        for op in ops {
            let (total, created) = match op.call {
                Call::Create(total) => (total, true),
                Call::Raise(total) => (total, false),
                _ => continue,
            };
            let done_us = (op.outcome == Outcome::Done).then_some(op.answered_us);
            let change = Change { done_us, total, created };
            totals.0.entry(&op.coupon).or_default().push(change);
        }
        totals
    }

    fn changes(&self, coupon: &str) -> &[Change] {
        self.0.get(coupon).map_or(&[], Vec::as_slice)
    }

    /// Lower bound of the total at a time: creates, and raises that were answered by then.
    pub(super) fn least(&self, coupon: &str, at_us: u64) -> u32 {
        let done =
            |change: &&Change| change.created || change.done_us.is_some_and(|done_us| done_us <= at_us);
        self.changes(coupon).iter().filter(done).map(|change| change.total).max().unwrap_or(0)
    }

    /// Upper bound of the total over the whole run: all creates and raises, answered or not.
    pub(super) fn most(&self, coupon: &str) -> u32 {
        self.changes(coupon).iter().map(|change| change.total).max().unwrap_or(0)
    }

    /// Whether a create had been answered by that time.
    pub(super) fn existed(&self, coupon: &str, at_us: u64) -> bool {
        let before = |change: &Change| change.created && change.done_us.is_some_and(|done| done <= at_us);
        self.changes(coupon).iter().any(before)
    }
}
