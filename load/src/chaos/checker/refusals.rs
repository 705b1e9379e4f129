//! Every rejection is true: no holder is rejected, and "sold out" is answered only when no coupon is left.

use std::collections::HashMap;

use super::{Book, Row, Violation, name};
use crate::chaos::history::{Op, Outcome, Rejection};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let issued_us = first_issued_answers(book);
    for op in &book.evidence.ops {
        let Outcome::Rejected(no) = op.outcome else { continue };
        if no == Rejection::NoSuchCoupon {
            if book.totals.existed(&op.coupon, op.sent_us) {
                violations.push(Violation::new("no_is_true", format!("{}: no such coupon", name(op))));
            }
            continue;
        }
        if let Some(row) = held_before(book, &issued_us, op) {
            let what = format!("{} was rejected with {no:?}, and held {row:?}", name(op));
            violations.push(Violation::new("unknown_never_becomes_no", what));
        } else if no == Rejection::SoldOut
            && let Some(what) = coupons_left(book, op)
        {
            violations.push(Violation::new(
                "none_is_stranded",
                format!("{} was answered sold out: {what}", name(op)),
            ));
        } else if matches!(no, Rejection::NotOpen | Rejection::Closed) {
            // The scenario has no coupon that opens late or is closed.
            violations.push(Violation::new("no_is_true", format!("{} was rejected with {no:?}", name(op))));
        }
    }
    violations
}

fn first_issued_answers<'a>(book: &Book<'a>) -> HashMap<(&'a str, &'a str), u64> {
    let mut first = HashMap::new();
    for (op, ..) in book.issued() {
        let at = first.entry((&*op.coupon, &*op.member)).or_insert(op.answered_us);
        *at = op.answered_us.min(*at);
    }
    first
}

/// The row that the member certainly held at the time of the request.
fn held_before<'a>(book: &Book<'a>, issued_us: &HashMap<(&str, &str), u64>, op: &Op) -> Option<&'a Row> {
    let key = (&*op.coupon, &*op.member);
    let row = book.row_of.get(&key)?;
    let answered_before = issued_us.get(&key).is_some_and(|issued| *issued < op.sent_us);
    let issued_before = row.issued_at_ms + book.slack_ms() < book.at_ms(op.sent_us);
    (answered_before || issued_before).then_some(*row)
}

/// The evidence that the coupon was not sold out at any moment between request and answer.
fn coupons_left(book: &Book<'_>, op: &Op) -> Option<String> {
    let least = book.totals.least(&op.coupon, op.sent_us);
    let until_ms = book.at_ms(op.answered_us) + book.slack_ms();
    let issued_ms = book.issued_ms.get(&*op.coupon).map_or(&[][..], Vec::as_slice);
    let issued = issued_ms.partition_point(|at_ms| *at_ms <= until_ms);
    ((issued as u64) < u64::from(least)).then(|| format!("{issued} of {least} were issued by then"))
}
