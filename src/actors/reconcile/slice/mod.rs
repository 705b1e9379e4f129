//! The comparison of one range of sequences, without I/O: the engine's holders against rows and outbox entries.
//!
//! A holder is stored as a keyed hash of member and time: eight bytes for an id of any length, eight megabytes for a
//! million holders. Two different ones collide once in 2^62.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use crate::domain::{Coupon, Grant, IssuedCoupon, MemberId, Sequence, Timestamp};

/// Sequences of one slice, which take 32 megabytes.
pub(super) const SLICE: u32 = 4_000_000;

/// Set in an occupied slot, so that no hash is zero.
const TAKEN: u64 = 1;
/// Set in a slot whose entry is in the outbox.
const IN_OUTBOX: u64 = 2;

/// Ascending sequences as runs without a gap, each from first to last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<(Sequence, Sequence)>);

impl Runs {
    /// Adds a sequence above all earlier ones.
    pub(super) fn push(&mut self, sequence: Sequence) {
        match self.0.last_mut() {
            Some((_, last)) if last.saturating_add(1) == sequence => *last = sequence,
            _ => self.0.push((sequence, sequence)),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Sequence> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

/// The engine's holders of the sequences from `first` to `last`.
#[derive(Debug)]
pub(super) struct HeldSlice {
    first: Sequence,
    last: Sequence,
    slots: Vec<u64>,
    hasher: RandomState,
    /// Sequences with two holders.
    pub(super) held_twice: BTreeSet<Sequence>,
}

/// Disagreements of rows and engine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Sequences with a holder and no row.
    pub(super) without_row: Runs,
    /// Sequences with neither holder nor row.
    pub(super) gaps: Runs,
    /// Rows that differ from the engine's holder, or have another code than the derived one; at most `odd_max`.
    pub(super) odd_rows: Vec<IssuedCoupon>,
    /// Further odd rows, only counted.
    pub(super) more_odd_rows: u64,
    pub(super) rows: u64,
}

impl HeldSlice {
    pub(super) fn new(first: Sequence, last: Sequence) -> Self {
        let slots = vec![0; (last + 1).saturating_sub(first) as usize];
        Self { first, last, slots, hasher: RandomState::new(), held_twice: BTreeSet::new() }
    }

    fn fingerprint(&self, member: &MemberId, issued_at: Timestamp) -> u64 {
        (self.hasher.hash_one((member, issued_at)) & !IN_OUTBOX) | TAKEN
    }

    fn index(&self, sequence: Sequence) -> Option<usize> {
        let inside = (self.first..=self.last).contains(&sequence);
        inside.then(|| (sequence - self.first) as usize)
    }

    /// Records a holder. A repeated one changes nothing, and one outside the slice is ignored.
    pub(super) fn record_holder(&mut self, member: &MemberId, grant: Grant) {
        let Some(index) = self.index(grant.sequence) else { return };
        let fingerprint = self.fingerprint(member, grant.issued_at);
        match self.slots[index] {
            0 => self.slots[index] = fingerprint,
            held if held & !IN_OUTBOX == fingerprint => {}
            _ => {
                self.held_twice.insert(grant.sequence);
            }
        }
    }

    /// Whether the member holds exactly this grant.
    fn holds(&self, member: &MemberId, grant: Grant) -> bool {
        let held = self.index(grant.sequence).map_or(0, |index| self.slots[index]);
        held & !IN_OUTBOX == self.fingerprint(member, grant.issued_at)
    }

    pub(super) fn count_holders(&self) -> u64 {
        self.slots.iter().filter(|slot| **slot != 0).count() as u64
    }

    /// Records an outbox entry; gives whether it equals the engine's holder.
    pub(super) fn record_entry(&mut self, member: &MemberId, grant: Grant) -> bool {
        let holds = self.holds(member, grant);
        if holds && let Some(index) = self.index(grant.sequence) {
            self.slots[index] |= IN_OUTBOX;
        }
        holds
    }

    pub(super) fn is_in_outbox(&self, sequence: Sequence) -> bool {
        self.index(sequence).is_some_and(|index| self.slots[index] & IN_OUTBOX != 0)
    }

    /// Begins the comparison with the rows of `coupon`, keeping at most `odd_max` odd ones.
    pub(super) fn compare<'a>(&'a self, coupon: &'a Coupon, odd_max: usize) -> Comparison<'a> {
        Comparison { held: self, coupon, odd_max, next: self.first, differences: Differences::default() }
    }
}

pub(super) struct Comparison<'a> {
    held: &'a HeldSlice,
    coupon: &'a Coupon,
    odd_max: usize,
    /// The first sequence that is not compared yet.
    next: Sequence,
    differences: Differences,
}

impl Comparison<'_> {
    /// Compares the next row, in ascending order of sequence; one outside the slice is ignored.
    pub(super) fn add_row(&mut self, row: &IssuedCoupon) {
        if self.held.index(row.sequence).is_none() {
            return;
        }
        self.record_absent_rows(row.sequence);
        self.next = row.sequence + 1;
        self.differences.rows += 1;
        let grant = Grant { sequence: row.sequence, issued_at: row.issued_at };
        let same = self.held.holds(&row.member_id, grant) && is_genuine(self.coupon, row);
        if !same && self.differences.odd_rows.len() < self.odd_max {
            self.differences.odd_rows.push(row.clone());
        } else if !same {
            self.differences.more_odd_rows += 1;
        }
    }

    fn record_absent_rows(&mut self, end: Sequence) {
        for sequence in self.next..end {
            let held = self.held.index(sequence).is_some_and(|index| self.held.slots[index] != 0);
            if held {
                self.differences.without_row.push(sequence);
            } else {
                self.differences.gaps.push(sequence);
            }
        }
    }

    /// The differences, after the last row.
    pub(super) fn finish(mut self) -> Differences {
        self.record_absent_rows(self.held.last.saturating_add(1));
        self.differences
    }
}

/// Whether the row's code is the derived one.
pub(super) fn is_genuine(coupon: &Coupon, row: &IssuedCoupon) -> bool {
    row.code == coupon.salt.code(&coupon.id, &row.member_id)
}

#[cfg(test)]
mod tests;
