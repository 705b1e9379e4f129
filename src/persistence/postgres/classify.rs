//! Compares a batch with the rows of the database: which issuances are stored already, and which contradict a row.

use std::collections::{HashMap, HashSet};

use crate::domain::{CouponId, IssueCode, IssuedCoupon, MemberId, Sequence, Timestamp};
use crate::ports::Conflict;

/// Rows of the database by each of their unique keys.
#[derive(Debug, Default)]
pub(super) struct RowsByKey<'a> {
    by_sequence: HashMap<(&'a CouponId, Sequence), &'a IssuedCoupon>,
    by_member: HashMap<(&'a CouponId, &'a MemberId), &'a IssuedCoupon>,
    by_code: HashMap<&'a IssueCode, &'a IssuedCoupon>,
}

impl<'a> RowsByKey<'a> {
    pub(super) fn new(rows: &'a [IssuedCoupon]) -> Self {
        let mut held = Self::default();
        for row in rows {
            held.by_sequence.insert((&row.coupon_id, row.sequence), row);
            held.by_member.insert((&row.coupon_id, &row.member_id), row);
            held.by_code.insert(&row.code, row);
        }
        held
    }

    /// The rows that share a key with `arrived`, each with the name of that key. One of them may be `arrived` itself.
    fn rows_with_key_of(&self, arrived: &IssuedCoupon) -> Vec<(&'static str, &'a IssuedCoupon)> {
        let keys = [
            ("this sequence", self.by_sequence.get(&(&arrived.coupon_id, arrived.sequence))),
            ("this member", self.by_member.get(&(&arrived.coupon_id, &arrived.member_id))),
            ("this code", self.by_code.get(&arrived.code)),
        ];
        keys.into_iter().filter_map(|(key, row)| row.map(|row| (key, *row))).collect()
    }
}

/// The result of comparing a batch after its new rows were inserted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Classified {
    /// Issuances that contradict a row, each once.
    pub(super) conflicts: Vec<Conflict>,
    /// The number of conflicting issuances in the batch. Larger than `conflicts` if a message was delivered twice.
    pub(super) conflicting: usize,
    /// The number of issuances without any row: another process deleted the row after the insertion was skipped.
    pub(super) vanished: usize,
}

pub(super) fn classify(batch: &[IssuedCoupon], held: &RowsByKey<'_>) -> Classified {
    let mut classified = Classified::default();
    let mut reported = HashSet::new();
    for arrived in batch {
        let rows = held.rows_with_key_of(arrived);
        if rows.iter().any(|(_, row)| identity(arrived) == identity(row)) {
            continue;
        }
        if rows.is_empty() {
            classified.vanished += 1;
            continue;
        }
        classified.conflicting += 1;
        if reported.insert(identity(arrived)) {
            let held = describe(&rows);
            classified.conflicts.push(Conflict { arrived: arrived.clone(), held, is_settled: false });
        }
    }
    classified
}

/// Two issuances are the same if all but the status agree. The status may have changed since the message was sent.
fn identity(issuance: &IssuedCoupon) -> (&CouponId, Sequence, &MemberId, &IssueCode, Timestamp) {
    (&issuance.coupon_id, issuance.sequence, &issuance.member_id, &issuance.code, issuance.issued_at)
}

fn describe(rows: &[(&'static str, &IssuedCoupon)]) -> String {
    let sentences = rows.iter().map(|(key, row)| {
        format!(
            "{key} is held by member {:?}: coupon {}, sequence {}, code {}, issued at {}",
            row.member_id.as_str(),
            row.coupon_id,
            row.sequence,
            row.code,
            row.issued_at
        )
    });
    sentences.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{RowsByKey, classify};
    use crate::domain::{IssuanceStatus, IssuedCoupon, Timestamp};

    fn issuance(member: &str, sequence: u32) -> IssuedCoupon {
        IssuedCoupon::sample("drop", member, sequence)
    }

    #[test]
    fn an_issuance_with_a_changed_status_is_the_same() {
        let rows = [IssuedCoupon { status: IssuanceStatus::Used, ..issuance("kim", 1) }];
        assert_eq!(classify(&[issuance("kim", 1)], &RowsByKey::new(&rows)), super::Classified::default());
    }

    #[test]
    fn every_other_difference_is_a_conflict() {
        let rows = [issuance("kim", 1)];
        let later = IssuedCoupon { issued_at: Timestamp::from_ms(1_001), ..issuance("kim", 1) };
        let stolen = IssuedCoupon { code: rows[0].code.clone(), ..issuance("lee", 2) };
        for arrived in [issuance("lee", 1), issuance("kim", 2), later, stolen] {
            let found = classify(std::slice::from_ref(&arrived), &RowsByKey::new(&rows));
            assert_eq!(found.conflicts.len(), 1, "{arrived:?}");
            assert!(found.conflicts[0].held.contains("\"kim\""), "{found:?}");
        }
    }

    #[test]
    fn a_conflict_that_was_delivered_twice_is_reported_once() {
        let rows = [issuance("kim", 1)];
        let found = classify(&[issuance("lee", 1), issuance("lee", 1)], &RowsByKey::new(&rows));
        assert_eq!(found.conflicts.len(), 1);
    }

    #[test]
    fn an_issuance_without_any_row_has_vanished() {
        assert_eq!(classify(&[issuance("kim", 1)], &RowsByKey::new(&[])).vanished, 1);
    }
}
