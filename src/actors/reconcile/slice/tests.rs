//! Whatever is held and whatever rows there are: what is found is exactly where they differ.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Differences, HeldSlice, Runs};
use crate::domain::{
    CodeSalt, Coupon, CouponId, Grant, Inventory, IssuanceStatus, IssuedCoupon, Lifecycle, MemberId,
    SalePeriod, Sequence, Terms, Timestamp,
};

fn coupon() -> Coupon {
    Coupon {
        id: CouponId::parse("drop").unwrap(),
        terms: Terms::new("A coupon", "", "").unwrap(),
        inventory: Inventory::new(1_000).unwrap(),
        window: SalePeriod::new(Timestamp::from_ms(0), None).unwrap(),
        valid_until: None,
        lifecycle: Lifecycle::Active,
        salt: CodeSalt::from_bytes([7; 32]),
        created_at: Timestamp::from_ms(0),
    }
}

fn member(number: u8) -> MemberId {
    MemberId::parse(&format!("m{number}")).unwrap()
}

fn row(sequence: Sequence, who: u8, ms: u8, genuine: bool) -> IssuedCoupon {
    let (coupon, member_id) = (coupon(), member(who));
    let salt = if genuine { coupon.salt } else { CodeSalt::from_bytes([8; 32]) };
    let code = salt.code(&coupon.id, &member_id);
    let (status, issued_at) = (IssuanceStatus::Unused, Timestamp::from_ms(ms.into()));
    IssuedCoupon { coupon_id: coupon.id, member_id, sequence, code, status, issued_at }
}

fn grant(sequence: Sequence, ms: u8) -> Grant {
    Grant { sequence, issued_at: Timestamp::from_ms(ms.into()) }
}

fn runs(sequences: impl IntoIterator<Item = Sequence>) -> Runs {
    let mut runs = Runs::default();
    sequences.into_iter().for_each(|sequence| runs.push(sequence));
    runs
}

/// By sequence: who and when.
type Held = BTreeMap<Sequence, (u8, u8)>;
/// By sequence: who, when, and whether the code is genuine.
type Rows = BTreeMap<Sequence, (u8, u8, bool)>;

fn held() -> impl Strategy<Value = Held> {
    prop::collection::btree_map(1u32..40, (0u8..3, 0u8..2), 0..40)
}

fn rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_map(1u32..40, (0u8..3, 0u8..2, prop::bool::weighted(0.9)), 0..40)
}

fn slice(held: &Held, first: Sequence, last: Sequence) -> HeldSlice {
    let mut slice = HeldSlice::new(first, last);
    // Everybody twice, as a hash that grows while it is read may tell them.
    for (sequence, (who, ms)) in held.iter().chain(held) {
        slice.note(&member(*who), grant(*sequence, *ms));
    }
    slice
}

proptest! {
    #[test]
    fn what_is_found_is_exactly_where_they_differ(
        held in held(), rows in rows(), first in 1u32..10, length in 0u32..40, odd_max in 0usize..50,
    ) {
        let last = first + length;
        let slice = slice(&held, first, last);
        let coupon = coupon();
        let mut comparison = slice.compare(&coupon, odd_max);
        for (sequence, (who, ms, genuine)) in &rows {
            comparison.row(&row(*sequence, *who, *ms, *genuine));
        }
        let found = comparison.finish();

        let of = |keep: &dyn Fn(Sequence) -> bool| runs((first..=last).filter(|sequence| keep(*sequence)));
        let is_odd = |sequence: &Sequence| {
            let (who, ms, genuine) = rows[sequence];
            !genuine || held.get(sequence) != Some(&(who, ms))
        };
        let inside: Vec<Sequence> = rows.keys().copied().filter(|s| (first..=last).contains(s)).collect();
        let odd: Vec<Sequence> = inside.iter().copied().filter(is_odd).collect();
        let named: Vec<Sequence> = found.odd_rows.iter().map(|row| row.sequence).collect();
        prop_assert_eq!(named, &odd[..odd.len().min(odd_max)]);
        let expected = Differences {
            without_row: of(&|s| held.contains_key(&s) && !rows.contains_key(&s)),
            gaps: of(&|s| !held.contains_key(&s) && !rows.contains_key(&s)),
            odd_rows: found.odd_rows.clone(),
            more_odd_rows: odd.len().saturating_sub(odd_max) as u64,
            rows: inside.len() as u64,
        };
        prop_assert_eq!(found, expected);
        prop_assert!(slice.doubled.is_empty());
        prop_assert_eq!(slice.participants(), held.range(first..=last).count() as u64);
    }

    #[test]
    fn an_entry_of_the_outbox_counts_only_if_the_engine_holds_it_just_so(held in held(), entries in held()) {
        let mut slice = slice(&held, 1, 30);
        let mut expected = BTreeSet::new();
        for (sequence, (who, ms)) in &entries {
            let same = *sequence <= 30 && held.get(sequence) == Some(&(*who, *ms));
            prop_assert_eq!(slice.note_entry(&member(*who), grant(*sequence, *ms)), same);
            expected.extend(same.then_some(*sequence));
        }
        let brought: BTreeSet<Sequence> = (1..40).filter(|sequence| slice.is_in_outbox(*sequence)).collect();
        prop_assert_eq!(brought, expected);
        // Having looked at the outbox changes nothing of who holds what.
        for (sequence, (who, ms)) in held.range(..=30) {
            prop_assert!(slice.holds(&member(*who), grant(*sequence, *ms)));
        }
    }

    #[test]
    fn a_sequence_that_two_hold_is_told(held in held(), other in 1u32..40) {
        let mut slice = slice(&held, 1, 40);
        slice.note(&member(9), grant(other, 0));
        let doubled: Vec<Sequence> = slice.doubled.iter().copied().collect();
        prop_assert_eq!(doubled, if held.contains_key(&other) { vec![other] } else { vec![] });
    }
}

#[test]
fn runs_are_counted_and_told_one_by_one() {
    let some = runs([1, 2, 3, 7, 9, 10]);
    assert_eq!((some.count(), some.iter().collect::<Vec<_>>()), (6, vec![1, 2, 3, 7, 9, 10]));
}

#[test]
fn an_empty_slice_finds_nothing() {
    let coupon = coupon();
    assert_eq!(HeldSlice::new(1, 0).compare(&coupon, 5).finish(), Differences::default());
}
