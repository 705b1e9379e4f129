//! How many coupons there were at which moment, as far as the operator's calls tell.

use std::collections::HashMap;

use crate::chaos::history::{Call, Op, Outcome};

/// A call that sets the total.
#[derive(Debug)]
struct Change {
    /// `None` if nobody said that it was carried out; it may have been all the same.
    done_us: Option<u64>,
    total: u32,
    created: bool,
}

/// The totals of all coupons. They only grow.
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

    /// At least so many every node knew of at that moment, which is some time after the last raise that counts.
    pub(super) fn least(&self, coupon: &str, at_us: u64) -> u32 {
        let done =
            |change: &&Change| change.created || change.done_us.is_some_and(|done_us| done_us <= at_us);
        self.changes(coupon).iter().filter(done).map(|change| change.total).max().unwrap_or(0)
    }

    /// No more than so many there ever were.
    pub(super) fn most(&self, coupon: &str) -> u32 {
        self.changes(coupon).iter().map(|change| change.total).max().unwrap_or(0)
    }

    /// Whether the coupon certainly existed at that moment.
    pub(super) fn existed(&self, coupon: &str, at_us: u64) -> bool {
        let before = |change: &Change| change.created && change.done_us.is_some_and(|done| done <= at_us);
        self.changes(coupon).iter().any(before)
    }
}
