//! Answers for sold-out coupons during faults: they should still be "sold out".

use std::collections::HashMap;

use serde::Serialize;

use super::Book;
use crate::chaos::history::{Call, Op, Outcome, Rejection};

/// Time after its first "sold out" in which a node learns to answer it from memory.
const KNOWN_AFTER_US: u64 = 2_000_000;

/// Answers to members without a coupon, for coupons that the node had answered with "sold out" before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Liveness {
    pub sold_out: u64,
    /// 503 or 429: the node gave no decision.
    pub not_now: u64,
    /// No connection or no answer: the node itself was broken.
    pub no_answer: u64,
}

pub(super) fn count(book: &Book<'_>) -> Liveness {
    let mut known_since: HashMap<(&str, usize), u64> = HashMap::new();
    let mut liveness = Liveness::default();
    for op in book.evidence.ops.iter().filter(|op| op.call == Call::Issue) {
        let key = (&*op.coupon, op.node);
        if op.outcome == Outcome::Rejected(Rejection::SoldOut) {
            known_since.entry(key).or_insert(op.answered_us);
        }
        let known = known_since.get(&key).is_some_and(|since| since + KNOWN_AFTER_US < op.sent_us);
        let is_holder = book.row_of.contains_key(&(&*op.coupon, &*op.member));
        if !known || is_holder || !is_during_fault(book, op) {
            continue;
        }
        match &op.outcome {
            Outcome::Rejected(_) => liveness.sold_out += 1,
            Outcome::Unknown(why) if matches!(&**why, "unreachable" | "lost" | "timed_out" | "hung_up") => {
                liveness.no_answer += 1;
            }
            _ => liveness.not_now += 1,
        }
    }
    liveness
}

fn is_during_fault(book: &Book<'_>, op: &Op) -> bool {
    // Faults do not overlap, so they are sorted by their ends too.
    let faults = &book.evidence.faults_us;
    let next = faults.partition_point(|(_, to)| *to < op.sent_us);
    faults.get(next).is_some_and(|(from, _)| *from <= op.sent_us)
}
