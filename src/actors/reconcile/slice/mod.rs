//! The comparison itself, without asking anybody: who holds a range of sequences in the engine, against the rows and the
//! outbox entries of that range.
//!
//! A holder is kept as a keyed hash of member and time, eight bytes whatever the member is called, so that a million of
//! them take eight megabytes. Two that differ would look the same once in 2^62.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use crate::domain::{Coupon, Grant, IssuedCoupon, MemberId, Sequence, Timestamp};

/// Sequences that are compared in one go: 32 megabytes.
pub(super) const SLICE: u32 = 4_000_000;

/// Set in a slot that is taken, so that no holder is a zero.
const TAKEN: u64 = 1;
/// Set in a slot whose entry is in the outbox.
const IN_OUTBOX: u64 = 2;

/// Sequences in ascending order, as runs without a hole: first to last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<(Sequence, Sequence)>);

impl Runs {
    /// Adds one that is larger than all before.
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

/// What the engine holds of the sequences from `first` to `last`.
#[derive(Debug)]
pub(super) struct HeldSlice {
    first: Sequence,
    last: Sequence,
    slots: Vec<u64>,
    hasher: RandomState,
    /// Sequences that two members hold.
    pub(super) doubled: BTreeSet<Sequence>,
}

/// Where rows and engine disagree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Sequences that somebody holds and no row has.
    pub(super) without_row: Runs,
    /// Sequences that nobody holds and no row has.
    pub(super) gaps: Runs,
    /// Rows that the engine does not hold just so, or whose code is not the derived one; at most as many as asked for.
    pub(super) odd_rows: Vec<IssuedCoupon>,
    /// Odd rows beyond those.
    pub(super) more_odd_rows: u64,
    /// How many rows there are.
    pub(super) rows: u64,
}

impl HeldSlice {
    /// A slice from `first` to `last` of which nothing is known yet.
    pub(super) fn new(first: Sequence, last: Sequence) -> Self {
        let slots = vec![0; (last + 1).saturating_sub(first) as usize];
        Self { first, last, slots, hasher: RandomState::new(), doubled: BTreeSet::new() }
    }

    fn print(&self, member: &MemberId, issued_at: Timestamp) -> u64 {
        (self.hasher.hash_one((member, issued_at)) & !IN_OUTBOX) | TAKEN
    }

    fn place(&self, sequence: Sequence) -> Option<usize> {
        let inside = (self.first..=self.last).contains(&sequence);
        inside.then(|| (sequence - self.first) as usize)
    }

    /// Notes a holder, who may be told more than once; one outside the slice is left out.
    pub(super) fn note(&mut self, member: &MemberId, grant: Grant) {
        let Some(place) = self.place(grant.sequence) else { return };
        let print = self.print(member, grant.issued_at);
        match self.slots[place] {
            0 => self.slots[place] = print,
            held if held & !IN_OUTBOX == print => {}
            _ => {
                self.doubled.insert(grant.sequence);
            }
        }
    }

    /// Whether exactly this is held.
    fn holds(&self, member: &MemberId, grant: Grant) -> bool {
        let held = self.place(grant.sequence).map_or(0, |place| self.slots[place]);
        held & !IN_OUTBOX == self.print(member, grant.issued_at)
    }

    /// How many sequences somebody holds.
    pub(super) fn participants(&self) -> u64 {
        self.slots.iter().filter(|slot| **slot != 0).count() as u64
    }

    /// Notes an entry of the outbox; whether the engine holds it just so.
    pub(super) fn note_entry(&mut self, member: &MemberId, grant: Grant) -> bool {
        let holds = self.holds(member, grant);
        if let (true, Some(place)) = (holds, self.place(grant.sequence)) {
            self.slots[place] |= IN_OUTBOX;
        }
        holds
    }

    /// Whether the outbox has been seen to bring this sequence.
    pub(super) fn is_in_outbox(&self, sequence: Sequence) -> bool {
        self.place(sequence).is_some_and(|place| self.slots[place] & IN_OUTBOX != 0)
    }

    /// Begins to compare with the rows of `coupon`, of which at most `odd_max` odd ones are kept.
    pub(super) fn compare<'a>(&'a self, coupon: &'a Coupon, odd_max: usize) -> Comparison<'a> {
        Comparison { held: self, coupon, odd_max, next: self.first, found: Differences::default() }
    }
}

/// A comparison under way.
pub(super) struct Comparison<'a> {
    held: &'a HeldSlice,
    coupon: &'a Coupon,
    odd_max: usize,
    /// The first sequence that has not been judged.
    next: Sequence,
    found: Differences,
}

impl Comparison<'_> {
    /// Takes the next row, in ascending order of sequence; one outside the slice is left out.
    pub(super) fn row(&mut self, row: &IssuedCoupon) {
        if self.held.place(row.sequence).is_none() {
            return;
        }
        self.no_rows_before(row.sequence);
        self.next = row.sequence + 1;
        self.found.rows += 1;
        let grant = Grant { sequence: row.sequence, issued_at: row.issued_at };
        let same = self.held.holds(&row.member_id, grant) && is_genuine(self.coupon, row);
        if !same && self.found.odd_rows.len() < self.odd_max {
            self.found.odd_rows.push(row.clone());
        } else if !same {
            self.found.more_odd_rows += 1;
        }
    }

    fn no_rows_before(&mut self, end: Sequence) {
        for sequence in self.next..end {
            let held = self.held.place(sequence).is_some_and(|place| self.held.slots[place] != 0);
            if held { self.found.without_row.push(sequence) } else { self.found.gaps.push(sequence) }
        }
    }

    /// What was found, all rows having been taken.
    pub(super) fn finish(mut self) -> Differences {
        self.no_rows_before(self.held.last.saturating_add(1));
        self.found
    }
}

/// Whether the code of `row` is the one that its coupon and member give.
pub(super) fn is_genuine(coupon: &Coupon, row: &IssuedCoupon) -> bool {
    row.code == coupon.salt.code(&coupon.id, &row.member_id)
}

#[cfg(test)]
mod tests;
