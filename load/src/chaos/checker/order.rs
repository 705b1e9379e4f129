//! First come, first served: a request that was answered before another was sent has the smaller sequence.

use std::collections::BTreeMap;

use super::{Book, Violation, name};
use crate::chaos::history::{Call, Op};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    type IssuedOp<'a> = (&'a Op, bool, u32);
    let mut coupons: BTreeMap<&str, Vec<IssuedOp<'_>>> = BTreeMap::new();
    for (op, newly, sequence, _) in book.issued() {
        coupons.entry(&op.coupon).or_default().push((op, newly, sequence));
    }
    let mut violations = Vec::new();
    for answers in coupons.values_mut() {
        // An answered member holds the sequence from the answer on at the latest. Only a newly issued one is known to
        // be issued after its request.
        let mut newly: Vec<IssuedOp<'_>> =
            answers.iter().copied().filter(|(op, newly, _)| *newly && op.call == Call::Issue).collect();
        answers.sort_by_key(|(op, ..)| op.answered_us);
        newly.sort_by_key(|(op, ..)| op.sent_us);
        let mut answered = answers.iter().peekable();
        let mut highest: Option<IssuedOp<'_>> = None;
        for (op, _, sequence) in newly {
            while let Some(before) = answered.next_if(|(before, ..)| before.answered_us < op.sent_us) {
                if highest.is_none_or(|(_, _, most)| most < before.2) {
                    highest = Some(*before);
                }
            }
            if let Some((before, _, most)) = highest.filter(|(_, _, most)| *most > sequence) {
                let what =
                    format!("{} was issued {sequence}, though {} had {most} before", name(op), name(before));
                violations.push(Violation::new("first_come_first_served", what));
            }
        }
    }
    violations
}
