//! What members were told, and what must hold of it whatever the database says.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// A member was told that they hold a coupon. One entry for each such answer, so that two clicks can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedAnswer {
    /// Who.
    pub member_id: String,
    /// Which place in the queue.
    pub sequence: u32,
    /// Which code.
    pub code: String,
    /// The answer said that they held it already: then somebody may have asked for it earlier, elsewhere, and the order of
    /// asking here says nothing about its sequence.
    pub repeated: bool,
    /// When the member first asked, by any click, in microseconds from the start of the race.
    pub requested_us: u64,
    /// When this answer was complete, on the same clock.
    pub answered_us: u64,
}

/// A promise that the answers alone show to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// One member, two coupons.
    AnotherCoupon {
        /// Who was told both.
        member_id: String,
        /// The sequence and code of the first answer.
        first: (u32, String),
        /// The sequence and code of a later one.
        then: (u32, String),
    },
    /// One sequence, two members: an oversell.
    SequenceTwice {
        /// The sequence.
        sequence: u32,
        /// The two who were told it.
        members: [String; 2],
    },
    /// One code, two members: only one of them could redeem it.
    CodeTwice {
        /// The code.
        code: String,
        /// The two who were told it.
        members: [String; 2],
    },
    /// A sequence outside of 1 to the total.
    OutOfRange {
        /// Who was told it.
        member_id: String,
        /// The sequence.
        sequence: u32,
        /// The coupon's total.
        total: u32,
    },
    /// Somebody had their answer before this member asked, and yet stands behind them.
    Overtaken {
        /// Who was served too early.
        member_id: String,
        /// Their sequence.
        sequence: u32,
        /// Who had been told already, with a higher sequence.
        by_then: String,
        /// The higher sequence.
        higher: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherCoupon { member_id, first, then } => write!(
                f,
                "member {member_id} was told two coupons: number {} ({}) and number {} ({})",
                first.0, first.1, then.0, then.1
            ),
            Self::SequenceTwice { sequence, members: [a, b] } => {
                write!(f, "number {sequence} was told to two members: {a} and {b}")
            }
            Self::CodeTwice { code, members: [a, b] } => {
                write!(f, "code {code} was told to two members: {a} and {b}")
            }
            Self::OutOfRange { member_id, sequence, total } => {
                write!(f, "member {member_id} was told number {sequence} of a coupon with {total}")
            }
            Self::Overtaken { member_id, sequence, by_then, higher } => write!(
                f,
                "member {member_id} got number {sequence}, though {by_then} had been told number {higher} before they asked"
            ),
        }
    }
}

/// Every violation in `told`, given the coupon's total where it is known.
pub fn find_violations(told: &[IssuedAnswer], total: Option<u32>) -> Vec<Violation> {
    let mut found = two_coupons(told);
    found.extend(shared(
        told,
        |t| t.sequence,
        |&sequence, members| Violation::SequenceTwice { sequence, members },
    ));
    found.extend(shared(
        told,
        |t| &t.code,
        |code, members| Violation::CodeTwice { code: (*code).clone(), members },
    ));
    found.extend(told.iter().filter_map(|t| out_of_range(t, total?)));
    found.extend(overtaken(told));
    found
}

/// How many different members, and how many different sequences, were told.
pub fn count_distinct(told: &[IssuedAnswer]) -> (u64, u64) {
    let members: HashSet<&str> = told.iter().map(|t| t.member_id.as_str()).collect();
    let sequences: HashSet<u32> = told.iter().map(|t| t.sequence).collect();
    (members.len() as u64, sequences.len() as u64)
}

fn two_coupons(told: &[IssuedAnswer]) -> Vec<Violation> {
    let mut first_told: HashMap<&str, &IssuedAnswer> = HashMap::new();
    let mut found = Vec::new();
    for t in told {
        let first = *first_told.entry(&t.member_id).or_insert(t);
        if (first.sequence, &first.code) != (t.sequence, &t.code) {
            found.push(Violation::AnotherCoupon {
                member_id: t.member_id.clone(),
                first: (first.sequence, first.code.clone()),
                then: (t.sequence, t.code.clone()),
            });
        }
    }
    found
}

/// What was told to a member and then to another one.
fn shared<'a, K: std::hash::Hash + Eq>(
    told: &'a [IssuedAnswer],
    key: impl Fn(&'a IssuedAnswer) -> K,
    violation: impl Fn(&K, [String; 2]) -> Violation,
) -> Vec<Violation> {
    let mut owners: HashMap<K, &str> = HashMap::new();
    let mut reported: HashSet<(&str, &str)> = HashSet::new();
    let mut found = Vec::new();
    for t in told {
        let k = key(t);
        match owners.get(&k) {
            // The two clicks of the second member are one violation, not two.
            Some(owner) if *owner != t.member_id && reported.insert((*owner, &t.member_id)) => {
                found.push(violation(&k, [(*owner).to_owned(), t.member_id.clone()]));
            }
            Some(_) => {}
            None => {
                owners.insert(k, &t.member_id);
            }
        }
    }
    found
}

fn out_of_range(told: &IssuedAnswer, total: u32) -> Option<Violation> {
    let IssuedAnswer { member_id, sequence, .. } = told;
    let outside = *sequence == 0 || *sequence > total;
    outside.then(|| Violation::OutOfRange { member_id: member_id.clone(), sequence: *sequence, total })
}

/// First come, first served, as far as the outside can tell: from the last sequence to the first, nobody may have asked
/// after somebody behind them had their answer. Requests that overlap may be served in either order.
fn overtaken(told: &[IssuedAnswer]) -> Vec<Violation> {
    let mut by_sequence: Vec<&IssuedAnswer> = told.iter().collect();
    by_sequence.sort_unstable_by_key(|t| (std::cmp::Reverse(t.sequence), &t.member_id, t.repeated));
    let mut earliest: Option<&IssuedAnswer> = None;
    let mut found = Vec::new();
    for group in by_sequence.chunk_by(|a, b| a.sequence == b.sequence) {
        for t in group.chunk_by(|a, b| a.member_id == b.member_id).filter_map(<[_]>::first) {
            if let Some(behind) = earliest
                .filter(|e| !t.repeated && e.answered_us < t.requested_us && e.member_id != t.member_id)
            {
                found.push(Violation::Overtaken {
                    member_id: t.member_id.clone(),
                    sequence: t.sequence,
                    by_then: behind.member_id.clone(),
                    higher: behind.sequence,
                });
            }
        }
        earliest = group.iter().copied().chain(earliest).min_by_key(|t| t.answered_us);
    }
    found
}

#[cfg(test)]
#[path = "issued_answers_tests.rs"]
mod tests;
