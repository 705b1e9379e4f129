//! The invariants that the rows of a coupon show by themselves.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::Invariant;
use crate::actors::reconcile::slice::is_genuine;
use crate::domain::{Coupon, IssuedCoupon, Sequence, Timestamp};

/// Checks rows one by one, in ascending order of sequence.
pub(super) struct RowInvariants<'a> {
    coupon: &'a Coupon,
    last: Sequence,
    latest: Timestamp,
    /// Keyed hashes of members, eight bytes each: two members collide once in 2^64.
    members: HashSet<u64>,
    hasher: RandomState,
    dense: Invariant,
    within_total: Invariant,
    one_a_member: Invariant,
    codes: Invariant,
    times: Invariant,
}

impl<'a> RowInvariants<'a> {
    pub(super) fn new(coupon: &'a Coupon) -> Self {
        Self {
            coupon,
            last: 0,
            latest: Timestamp::from_ms(0),
            members: HashSet::new(),
            hasher: RandomState::new(),
            dense: Invariant::new("dense", "sequences run from 1 without a gap"),
            within_total: Invariant::new("within_total", "no more coupons are issued than exist"),
            one_a_member: Invariant::new("one_a_member", "no member holds two"),
            codes: Invariant::new(
                "codes",
                "every code is the one that coupon and member give, and so unique",
            ),
            times: Invariant::new("in_order", "issued within the window, and in the order of the sequences"),
        }
    }

    pub(super) fn check(&mut self, row: &IssuedCoupon) {
        let IssuedCoupon { member_id, sequence, code, issued_at, .. } = row;
        for missing in self.last.saturating_add(1)..*sequence {
            self.dense.add_offender(|| format!("sequence {missing} has no row"));
        }
        self.last = *sequence;
        let total = self.coupon.inventory.total();
        if *sequence > total {
            self.within_total
                .add_offender(|| format!("sequence {sequence} of {member_id} is above the total of {total}"));
        }
        if !self.members.insert(self.hasher.hash_one(member_id)) {
            self.one_a_member
                .add_offender(|| format!("member {member_id} holds sequence {sequence} and another one"));
        }
        if !is_genuine(self.coupon, row) {
            self.codes.add_offender(|| {
                format!("code {code} of member {member_id}, sequence {sequence}, is another")
            });
        }
        let window = self.coupon.window;
        if window.is_before(*issued_at) || window.is_over(*issued_at) {
            self.times.add_offender(|| {
                format!("sequence {sequence} of {member_id} was issued at {issued_at}, outside the window")
            });
        } else if *issued_at < self.latest {
            let latest = self.latest;
            self.times.add_offender(|| format!("sequence {sequence} of {member_id} was issued at {issued_at}, before one with a smaller sequence at {latest}"));
        }
        self.latest = self.latest.max(*issued_at);
    }

    pub(super) fn finish(self) -> Vec<Invariant> {
        vec![self.dense, self.within_total, self.one_a_member, self.codes, self.times]
    }
}

#[cfg(test)]
mod tests {
    use super::{Coupon, IssuedCoupon, RowInvariants, Timestamp};
    use crate::actors::reconcile::sample_coupon;
    use crate::domain::{Grant, MemberId, SalePeriod, Sequence};

    fn coupon() -> Coupon {
        let at = Timestamp::from_ms;
        sample_coupon(5, SalePeriod::new(at(10), Some(at(20))).unwrap())
    }

    fn row(sequence: Sequence, member: &str, ms: i64) -> IssuedCoupon {
        let grant = Grant { sequence, issued_at: Timestamp::from_ms(ms) };
        coupon().issuance(&MemberId::parse(member).unwrap(), grant)
    }

    /// The names of the invariants that `rows` break.
    fn broken(rows: &[IssuedCoupon]) -> Vec<&'static str> {
        let coupon = coupon();
        let mut invariants = RowInvariants::new(&coupon);
        rows.iter().for_each(|row| invariants.check(row));
        invariants
            .finish()
            .into_iter()
            .filter(|invariant| invariant.held == Some(false))
            .map(|invariant| invariant.name)
            .collect()
    }

    #[test]
    fn correct_rows_break_no_invariant() {
        assert!(broken(&[]).is_empty());
        assert!(broken(&[row(1, "kim", 10), row(2, "lee", 10), row(3, "max", 19)]).is_empty());
    }

    #[test]
    fn each_fault_breaks_its_own_invariant() {
        let kim = row(1, "kim", 12);
        let stolen = IssuedCoupon { code: kim.code.clone(), ..row(2, "lee", 12) };
        for (rows, name) in [
            (vec![row(2, "lee", 12)], "dense"),
            (vec![kim.clone(), row(3, "lee", 12)], "dense"),
            ((1..=6).map(|n| row(n, &format!("m{n}"), 12)).collect(), "within_total"),
            (vec![kim.clone(), row(2, "kim", 12)], "one_a_member"),
            (vec![kim.clone(), stolen], "codes"),
            (vec![kim.clone(), row(2, "lee", 11)], "in_order"),
            (vec![row(1, "kim", 9)], "in_order"),
            (vec![row(1, "kim", 20)], "in_order"),
        ] {
            assert_eq!(broken(&rows), [name], "{rows:?}");
        }
    }
}
