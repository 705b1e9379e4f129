//! For any holders and any rows the differences are exactly those that a plain comparison of maps gives.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Differences, HeldSlice, Runs};
use crate::actors::reconcile::sample_coupon;
use crate::domain::{CodeSalt, Coupon, Grant, IssuedCoupon, MemberId, SalePeriod, Sequence, Timestamp};

fn coupon() -> Coupon {
    sample_coupon(1_000, SalePeriod::new(Timestamp::from_ms(0), None).unwrap())
}

fn member(number: u8) -> MemberId {
    MemberId::parse(&format!("m{number}")).unwrap()
}

fn row(sequence: Sequence, holder: u8, ms: u8, genuine: bool) -> IssuedCoupon {
    let coupon = coupon();
    let salt = if genuine { coupon.salt.clone() } else { CodeSalt::from_bytes([8; 32]) };
    Coupon { salt, ..coupon }.issuance(&member(holder), grant(sequence, ms))
}

fn grant(sequence: Sequence, ms: u8) -> Grant {
    Grant { sequence, issued_at: Timestamp::from_ms(ms.into()) }
}

fn runs(sequences: impl IntoIterator<Item = Sequence>) -> Runs {
    let mut runs = Runs::default();
    sequences.into_iter().for_each(|sequence| runs.push(sequence));
    runs
}

/// By sequence: number of the member, and time.
type Held = BTreeMap<Sequence, (u8, u8)>;
/// By sequence: number of the member, time, and whether the code is genuine.
type Rows = BTreeMap<Sequence, (u8, u8, bool)>;

fn held() -> impl Strategy<Value = Held> {
    prop::collection::btree_map(1u32..40, (0u8..3, 0u8..2), 0..40)
}

fn rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_map(1u32..40, (0u8..3, 0u8..2, prop::bool::weighted(0.9)), 0..40)
}

fn slice(held: &Held, first: Sequence, last: Sequence) -> HeldSlice {
    let mut slice = HeldSlice::new(first, last);
    // Each holder twice: a scan of a Redis hash that grows meanwhile may repeat fields.
    for (sequence, (holder, ms)) in held.iter().chain(held) {
        slice.record_holder(&member(*holder), grant(*sequence, *ms));
    }
    slice
}

proptest! {
    #[test]
    fn the_differences_are_exactly_the_different_sequences(
        held in held(), rows in rows(), first in 1u32..10, length in 0u32..40, odd_max in 0usize..50,
    ) {
        let last = first + length;
        let slice = slice(&held, first, last);
        let coupon = coupon();
        let mut comparison = slice.compare(&coupon, odd_max);
        for (sequence, (holder, ms, genuine)) in &rows {
            comparison.add_row(&row(*sequence, *holder, *ms, *genuine));
        }
        let found = comparison.finish();

        let of = |keep: &dyn Fn(Sequence) -> bool| runs((first..=last).filter(|sequence| keep(*sequence)));
        let is_odd = |sequence: &Sequence| {
            let (holder, ms, genuine) = rows[sequence];
            !genuine || held.get(sequence) != Some(&(holder, ms))
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
        prop_assert!(slice.held_twice.is_empty());
        prop_assert_eq!(slice.count_holders(), held.range(first..=last).count() as u64);
    }

    #[test]
    fn an_outbox_entry_counts_only_if_the_engine_has_the_same_holder(held in held(), entries in held()) {
        let mut slice = slice(&held, 1, 30);
        let mut expected = BTreeSet::new();
        for (sequence, (holder, ms)) in &entries {
            let same = *sequence <= 30 && held.get(sequence) == Some(&(*holder, *ms));
            prop_assert_eq!(slice.record_entry(&member(*holder), grant(*sequence, *ms)), same);
            expected.extend(same.then_some(*sequence));
        }
        let in_outbox: BTreeSet<Sequence> = (1..40).filter(|sequence| slice.is_in_outbox(*sequence)).collect();
        prop_assert_eq!(in_outbox, expected);
        // Outbox entries leave the holders as they are.
        for (sequence, (holder, ms)) in held.range(..=30) {
            prop_assert!(slice.holds(&member(*holder), grant(*sequence, *ms)));
        }
    }

    #[test]
    fn a_sequence_with_two_holders_is_recorded(held in held(), other in 1u32..40) {
        let mut slice = slice(&held, 1, 40);
        slice.record_holder(&member(9), grant(other, 0));
        let held_twice: Vec<Sequence> = slice.held_twice.iter().copied().collect();
        prop_assert_eq!(held_twice, if held.contains_key(&other) { vec![other] } else { vec![] });
    }
}

#[test]
fn runs_count_and_list_their_sequences() {
    let runs = runs([1, 2, 3, 7, 9, 10]);
    assert_eq!((runs.count(), runs.iter().collect::<Vec<_>>()), (6, vec![1, 2, 3, 7, 9, 10]));
}

#[test]
fn an_empty_slice_has_no_differences() {
    let coupon = coupon();
    assert_eq!(HeldSlice::new(1, 0).compare(&coupon, 5).finish(), Differences::default());
}
