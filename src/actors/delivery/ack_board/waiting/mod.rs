//! Who waits for which issuance to get how far: bookkeeping alone, without clocks, tasks or services.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use tokio::sync::oneshot;

use crate::domain::{AckLevel, CouponId, IssuedCoupon, MemberId, Sequence};

/// One who waits.
#[derive(Debug)]
struct Waiter {
    /// Tells this one from others who wait for the same issuance.
    number: u64,
    /// Whose issuance it is: the sequence of another member's row would prove nothing.
    member: MemberId,
    /// How far it must get.
    level: AckLevel,
    /// Told once it has.
    reached: oneshot::Sender<()>,
}

/// What it takes to leave again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    coupon: CouponId,
    sequence: Sequence,
    number: u64,
}

/// Everybody who waits, by coupon and sequence. What nobody waits for has no entry.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    coupons: HashMap<CouponId, BTreeMap<Sequence, Vec<Waiter>>>,
    /// The number of the next ticket.
    next: u64,
}

impl Waiting {
    /// Waits until `issuance` has reached `level`.
    pub(super) fn enter(
        &mut self,
        issuance: &IssuedCoupon,
        level: AckLevel,
    ) -> (Ticket, oneshot::Receiver<()>) {
        let (reached, told) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        let waiter = Waiter { number, member: issuance.member_id.clone(), level, reached };
        let coupon = self.coupons.entry(issuance.coupon_id.clone()).or_default();
        coupon.entry(issuance.sequence).or_default().push(waiter);
        (Ticket { coupon: issuance.coupon_id.clone(), sequence: issuance.sequence, number }, told)
    }

    /// Waits no longer. Leaving twice, or after having been told, changes nothing.
    pub(super) fn leave(&mut self, ticket: &Ticket) {
        self.keep(&ticket.coupon, ticket.sequence, |waiter| {
            (waiter.number != ticket.number).then_some(waiter)
        });
    }

    /// Tells everybody who waits for the issuance of `sequence` to `member` to get as far as `level`, or less far; how
    /// many that were.
    pub(super) fn reached(
        &mut self,
        coupon: &CouponId,
        sequence: Sequence,
        member: &MemberId,
        level: AckLevel,
    ) -> usize {
        let mut told = 0;
        self.keep(coupon, sequence, |waiter| {
            if waiter.level > level || waiter.member != *member {
                return Some(waiter);
            }
            told += 1;
            // Whoever has gone at the same moment need not be told.
            let _gone = waiter.reached.send(());
            None
        });
        told
    }

    /// Leaves those of an entry whom `stays` gives back, and no entry without anybody in it.
    fn keep(&mut self, coupon: &CouponId, sequence: Sequence, stays: impl FnMut(Waiter) -> Option<Waiter>) {
        let Some(sequences) = self.coupons.get_mut(coupon) else { return };
        let Some(waiters) = sequences.get_mut(&sequence) else { return };
        *waiters = std::mem::take(waiters).into_iter().filter_map(stays).collect();
        if waiters.is_empty() {
            sequences.remove(&sequence);
        }
        if sequences.is_empty() {
            self.coupons.remove(coupon);
        }
    }

    /// The coupons for which somebody waits.
    pub(super) fn coupons(&self) -> Vec<CouponId> {
        self.coupons.keys().cloned().collect()
    }

    /// The sequences above `after` for which somebody waits, in order, at most `limit`.
    pub(super) fn page(&self, coupon: &CouponId, after: Sequence, limit: usize) -> Vec<Sequence> {
        let Some(sequences) = self.coupons.get(coupon) else { return Vec::new() };
        let above = (Bound::Excluded(after), Bound::Unbounded);
        sequences.range(above).take(limit).map(|(sequence, _)| *sequence).collect()
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.coupons.is_empty()
    }
}

#[cfg(test)]
mod tests;
