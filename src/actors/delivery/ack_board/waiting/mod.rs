//! The waiting requests by coupon and sequence: a plain data structure, without clocks, tasks or services.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use tokio::sync::oneshot;

use crate::domain::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence};

#[derive(Debug)]
struct Waiter {
    /// Distinguishes requests that wait for the same issuance.
    number: u64,
    /// The issuance's member: another member's row with the same sequence proves nothing.
    member: MemberId,
    level: AckLevel,
    reached: oneshot::Sender<()>,
}

/// Identifies one waiter, to remove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    coupon: CouponId,
    sequence: Sequence,
    number: u64,
}

/// Holds no entry without a waiter.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    coupons: HashMap<CouponId, BTreeMap<Sequence, Vec<Waiter>>>,
    next_number: u64,
}

impl Waiting {
    /// Adds a waiter; the receiver resolves when `issuance` has reached `level`.
    pub(super) fn enter(
        &mut self,
        issuance: &IssuedCoupon,
        level: AckLevel,
    ) -> (Ticket, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.next_number;
        self.next_number += 1;
        let waiter = Waiter { number, member: issuance.member_id.clone(), level, reached: sender };
        let coupon = self.coupons.entry(issuance.coupon_id.clone()).or_default();
        coupon.entry(issuance.sequence).or_default().push(waiter);
        (Ticket { coupon: issuance.coupon_id.clone(), sequence: issuance.sequence, number }, receiver)
    }

    /// Removes a waiter. Repeating it, or calling it after the release, changes nothing.
    pub(super) fn leave(&mut self, ticket: &Ticket) {
        self.retain(&ticket.coupon, ticket.sequence, |waiter| {
            (waiter.number != ticket.number).then_some(waiter)
        });
    }

    /// Releases the waiters for the issuance of `sequence` to `member` at `level` or below, and returns their number.
    pub(super) fn release(
        &mut self,
        coupon: &CouponId,
        sequence: Sequence,
        member: &MemberId,
        level: AckLevel,
    ) -> usize {
        let mut released = 0;
        self.retain(coupon, sequence, |waiter| {
            if waiter.level > level || waiter.member != *member {
                return Some(waiter);
            }
            released += 1;
            let _request_gone = waiter.reached.send(());
            None
        });
        released
    }

    /// Keeps the waiters that `keep` returns, and removes entries that become empty.
    fn retain(&mut self, coupon: &CouponId, sequence: Sequence, keep: impl FnMut(Waiter) -> Option<Waiter>) {
        let Some(sequences) = self.coupons.get_mut(coupon) else { return };
        let Some(waiters) = sequences.get_mut(&sequence) else { return };
        *waiters = std::mem::take(waiters).into_iter().filter_map(keep).collect();
        if waiters.is_empty() {
            sequences.remove(&sequence);
        }
        if sequences.is_empty() {
            self.coupons.remove(coupon);
        }
    }

    pub(super) fn coupons(&self) -> Vec<CouponId> {
        self.coupons.keys().cloned().collect()
    }

    pub(super) fn page(&self, coupon: &CouponId, after: Sequence, limit: usize) -> Vec<Sequence> {
        let Some(sequences) = self.coupons.get(coupon) else { return Vec::new() };
        let above = (Bound::Excluded(after), Bound::Unbounded);
        sequences.range(above).take(limit).map(|(sequence, _)| *sequence).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.coupons.is_empty()
    }
}

#[cfg(test)]
mod tests;
