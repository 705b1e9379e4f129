//! The answers that carry an issuance, and the invariants that they show to be kept or broken without a look
//! at the database.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// An answer that carries an issuance. Each such answer is recorded, so that the two of a double click can be
/// compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedAnswer {
    pub member_id: String,
    pub sequence: u32,
    pub code: String,
    /// The answer was a 200: the member may have requested the coupon earlier and elsewhere, so that the time
    /// of this request says nothing about its sequence.
    pub repeated: bool,
    /// The time of the member's first request, by any click, in microseconds from the start of the race.
    pub requested_us: u64,
    /// The time at which the answer was complete, on the same clock.
    pub answered_us: u64,
}

/// An invariant that the answers alone show to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// One member got two coupons.
    TwoCoupons {
        member_id: String,
        /// The sequence and code of the first answer.
        first: (u32, String),
        /// The sequence and code of a later one.
        second: (u32, String),
    },
    /// Two members got one sequence: an oversell.
    SequenceTwice { sequence: u32, members: [String; 2] },
    /// Two members got one code, and only one of them could redeem it.
    CodeTwice { code: String, members: [String; 2] },
    /// A sequence outside of 1 to the total.
    OutOfRange { member_id: String, sequence: u32, total: u32 },
    /// A member got a lower sequence than another one that had been answered before this member's request.
    OutOfOrder {
        member_id: String,
        sequence: u32,
        /// The member that had been answered before.
        earlier_member: String,
        earlier_sequence: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoCoupons { member_id, first, second } => write!(
                f,
                "member {member_id} got two coupons: sequence {} ({}) and sequence {} ({})",
                first.0, first.1, second.0, second.1
            ),
            Self::SequenceTwice { sequence, members: [a, b] } => {
                write!(f, "sequence {sequence} was issued to two members: {a} and {b}")
            }
            Self::CodeTwice { code, members: [a, b] } => {
                write!(f, "code {code} was issued to two members: {a} and {b}")
            }
            Self::OutOfRange { member_id, sequence, total } => {
                write!(f, "member {member_id} got sequence {sequence} of a coupon with a total of {total}")
            }
            Self::OutOfOrder { member_id, sequence, earlier_member, earlier_sequence } => write!(
                f,
                "member {member_id} got sequence {sequence}, although {earlier_member} had got sequence {earlier_sequence} before this member's first request"
            ),
        }
    }
}

/// Finds every violation; the range of sequences is checked only if the total is known.
pub fn find_violations(answers: &[IssuedAnswer], total: Option<u32>) -> Vec<Violation> {
    let mut found = find_two_coupons(answers);
    found.extend(find_shared(
        answers,
        |t| t.sequence,
        |&sequence, members| Violation::SequenceTwice { sequence, members },
    ));
    found.extend(find_shared(
        answers,
        |t| &t.code,
        |code, members| Violation::CodeTwice { code: (*code).clone(), members },
    ));
    found.extend(answers.iter().filter_map(|t| find_out_of_range(t, total?)));
    found.extend(find_out_of_order(answers));
    found
}

/// The numbers of distinct members and of distinct sequences.
pub fn count_distinct(answers: &[IssuedAnswer]) -> (u64, u64) {
    let members: HashSet<&str> = answers.iter().map(|t| t.member_id.as_str()).collect();
    let sequences: HashSet<u32> = answers.iter().map(|t| t.sequence).collect();
    (members.len() as u64, sequences.len() as u64)
}

fn find_two_coupons(answers: &[IssuedAnswer]) -> Vec<Violation> {
    let mut first_answers: HashMap<&str, &IssuedAnswer> = HashMap::new();
    let mut found = Vec::new();
    for t in answers {
        let first = *first_answers.entry(&t.member_id).or_insert(t);
        if (first.sequence, &first.code) != (t.sequence, &t.code) {
            found.push(Violation::TwoCoupons {
                member_id: t.member_id.clone(),
                first: (first.sequence, first.code.clone()),
                second: (t.sequence, t.code.clone()),
            });
        }
    }
    found
}

/// Finds values that belong to two members.
fn find_shared<'a, K: std::hash::Hash + Eq>(
    answers: &'a [IssuedAnswer],
    key: impl Fn(&'a IssuedAnswer) -> K,
    violation: impl Fn(&K, [String; 2]) -> Violation,
) -> Vec<Violation> {
    let mut owners: HashMap<K, &str> = HashMap::new();
    let mut reported: HashSet<(&str, &str)> = HashSet::new();
    let mut found = Vec::new();
    for t in answers {
        let k = key(t);
        match owners.get(&k) {
            // The second click of the second member is no further violation.
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

fn find_out_of_range(answers: &IssuedAnswer, total: u32) -> Option<Violation> {
    let IssuedAnswer { member_id, sequence, .. } = answers;
    let outside = *sequence == 0 || *sequence > total;
    outside.then(|| Violation::OutOfRange { member_id: member_id.clone(), sequence: *sequence, total })
}

/// Checks first come, first served, as far as it shows outside: walks from the last sequence to the first,
/// and finds members that requested after an answer with a higher sequence. Requests that overlap may be
/// served in either order.
fn find_out_of_order(answers: &[IssuedAnswer]) -> Vec<Violation> {
    let mut by_sequence: Vec<&IssuedAnswer> = answers.iter().collect();
    by_sequence.sort_unstable_by_key(|t| (std::cmp::Reverse(t.sequence), &t.member_id, t.repeated));
    let mut earliest: Option<&IssuedAnswer> = None;
    let mut found = Vec::new();
    for group in by_sequence.chunk_by(|a, b| a.sequence == b.sequence) {
        for t in group.chunk_by(|a, b| a.member_id == b.member_id).filter_map(<[_]>::first) {
            if let Some(behind) = earliest
                .filter(|e| !t.repeated && e.answered_us < t.requested_us && e.member_id != t.member_id)
            {
                found.push(Violation::OutOfOrder {
                    member_id: t.member_id.clone(),
                    sequence: t.sequence,
                    earlier_member: behind.member_id.clone(),
                    earlier_sequence: behind.sequence,
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
