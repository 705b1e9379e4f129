//! Every no is true: nobody who holds a coupon hears it, and "sold out" only when none is left.

use std::collections::HashMap;

use super::{Book, Row, Violation, name};
use crate::chaos::history::{No, Op, Outcome};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let told_us = first_told(book);
    for op in &book.evidence.ops {
        let Outcome::No(no) = op.outcome else { continue };
        if no == No::NoSuchCoupon {
            if book.totals.existed(&op.coupon, op.asked_us) {
                violations.push(Violation::new("no_is_true", format!("{}: no such coupon", name(op))));
            }
            continue;
        }
        if let Some(row) = held_before(book, &told_us, op) {
            let what = format!("{} was told {no:?}, and held {row:?}", name(op));
            violations.push(Violation::new("unknown_never_becomes_no", what));
        } else if no == No::SoldOut
            && let Some(what) = was_left(book, op)
        {
            violations
                .push(Violation::new("none_is_stranded", format!("{} was told sold out: {what}", name(op))));
        } else if matches!(no, No::NotOpen | No::Closed) {
            // The scenario neither opens late nor closes.
            violations.push(Violation::new("no_is_true", format!("{} was told {no:?}", name(op))));
        }
    }
    violations
}

fn first_told<'a>(book: &Book<'a>) -> HashMap<(&'a str, &'a str), u64> {
    let mut first = HashMap::new();
    for (op, ..) in book.told() {
        let at = first.entry((&*op.coupon, &*op.member)).or_insert(op.answered_us);
        *at = op.answered_us.min(*at);
    }
    first
}

/// The row that the member certainly held when they asked.
fn held_before<'a>(book: &Book<'a>, told_us: &HashMap<(&str, &str), u64>, op: &Op) -> Option<&'a Row> {
    let key = (&*op.coupon, &*op.member);
    let row = book.row_of.get(&key)?;
    let told_before = told_us.get(&key).is_some_and(|told| *told < op.asked_us);
    let issued_before = row.issued_at_ms + book.slack_ms() < book.at_ms(op.asked_us);
    (told_before || issued_before).then_some(*row)
}

/// Why it could not be sold out at any moment between question and answer.
fn was_left(book: &Book<'_>, op: &Op) -> Option<String> {
    let least = book.totals.least(&op.coupon, op.asked_us);
    let until_ms = book.at_ms(op.answered_us) + book.slack_ms();
    let issued_ms = book.issued_ms.get(&*op.coupon).map_or(&[][..], Vec::as_slice);
    let issued = issued_ms.partition_point(|at_ms| *at_ms <= until_ms);
    ((issued as u64) < u64::from(least)).then(|| format!("{issued} of {least} were issued by then"))
}
