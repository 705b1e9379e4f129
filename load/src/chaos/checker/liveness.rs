//! What members hear of sold-out coupons while something is broken: it should still be "sold out".

use std::collections::HashMap;

use serde::Serialize;

use super::Book;
use crate::chaos::history::{Call, No, Op, Outcome};

/// How long after its first "sold out" a node is expected to know it by itself.
const KNOWN_AFTER_US: u64 = 2_000_000;

/// Answers to members who hold none, of coupons that the asked node had called sold out before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Liveness {
    /// "Sold out", as it should be.
    pub sold_out: u64,
    /// 503: the node could not say.
    pub not_now: u64,
    /// The node could not be reached, or did not answer: it was broken itself.
    pub no_answer: u64,
}

pub(super) fn count(book: &Book<'_>) -> Liveness {
    let mut known_since: HashMap<(&str, usize), u64> = HashMap::new();
    let mut liveness = Liveness::default();
    for op in book.evidence.ops.iter().filter(|op| op.call == Call::Issue) {
        let key = (&*op.coupon, op.node);
        if op.outcome == Outcome::No(No::SoldOut) {
            known_since.entry(key).or_insert(op.answered_us);
        }
        let known = known_since.get(&key).is_some_and(|since| since + KNOWN_AFTER_US < op.asked_us);
        let is_stranger = !book.row_of.contains_key(&(&*op.coupon, &*op.member));
        if !known || !is_stranger || !is_during_fault(book, op) {
            continue;
        }
        match &op.outcome {
            Outcome::No(_) => liveness.sold_out += 1,
            Outcome::Open(why) if matches!(&**why, "unreachable" | "lost" | "timed_out" | "hung_up") => {
                liveness.no_answer += 1;
            }
            _ => liveness.not_now += 1,
        }
    }
    liveness
}

fn is_during_fault(book: &Book<'_>, op: &Op) -> bool {
    // Faults follow one another, so that they are sorted by their ends too.
    let faults = &book.evidence.faults_us;
    let next = faults.partition_point(|(_, to)| *to < op.asked_us);
    faults.get(next).is_some_and(|(from, _)| *from <= op.asked_us)
}
