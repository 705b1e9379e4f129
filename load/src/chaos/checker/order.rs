//! First come, first served: who had an answer before another asked has the smaller sequence.

use std::collections::BTreeMap;

use super::{Book, Violation, name};
use crate::chaos::history::{Call, Op};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    type Told<'a> = (&'a Op, bool, u32);
    let mut coupons: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    for (op, newly, sequence, _) in book.told() {
        coupons.entry(&op.coupon).or_default().push((op, newly, sequence));
    }
    let mut violations = Vec::new();
    for told in coupons.values_mut() {
        // Whoever was answered, newly or again, holds their sequence from then on at the latest. Only who was newly
        // issued one is known to have got it after they asked.
        let mut newly: Vec<Told<'_>> =
            told.iter().copied().filter(|(op, newly, _)| *newly && op.call == Call::Issue).collect();
        told.sort_by_key(|(op, ..)| op.answered_us);
        newly.sort_by_key(|(op, ..)| op.asked_us);
        let mut answered = told.iter().peekable();
        let mut highest: Option<Told<'_>> = None;
        for (op, _, sequence) in newly {
            while let Some(before) = answered.next_if(|(before, ..)| before.answered_us < op.asked_us) {
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
