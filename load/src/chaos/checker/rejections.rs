//! Every rejection is true: no holder is rejected, and "sold out" is answered only when no coupon is left.

use std::collections::HashMap;

use super::{EvidenceIndex, Row, Violation, describe};
use crate::chaos::history::{Op, Outcome, Rejection};

pub(super) fn check(index: &EvidenceIndex<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let issued_us = first_issued_answers(index);
    for op in &index.evidence.ops {
        let Outcome::Rejected(rejection) = op.outcome else { continue };
        if rejection == Rejection::NoSuchCoupon {
            if index.totals.exists_at(&op.coupon, op.sent_us) {
                violations
                    .push(Violation::new("rejections_are_true", format!("{}: no such coupon", describe(op))));
            }
            continue;
        }
        if let Some(row) = held_before(index, &issued_us, op) {
            let what = format!("{} was rejected with {rejection:?}, and held {row:?}", describe(op));
            violations.push(Violation::new("no_holder_is_rejected", what));
        } else if rejection == Rejection::SoldOut
            && let Some(what) = coupons_left(index, op)
        {
            violations.push(Violation::new(
                "sold_out_only_without_stock",
                format!("{} was answered sold out: {what}", describe(op)),
            ));
        } else if matches!(rejection, Rejection::NotOpen | Rejection::Closed) {
            // The scenario has no coupon that opens late or is closed.
            violations.push(Violation::new(
                "rejections_are_true",
                format!("{} was rejected with {rejection:?}", describe(op)),
            ));
        }
    }
    violations
}

/// Time of the first issued answer for each coupon and member, in microseconds since the start.
fn first_issued_answers<'a>(index: &EvidenceIndex<'a>) -> HashMap<(&'a str, &'a str), u64> {
    let mut first = HashMap::new();
    for (op, ..) in index.issued_answers() {
        let at = first.entry((&*op.coupon, &*op.member)).or_insert(op.answered_us);
        *at = op.answered_us.min(*at);
    }
    first
}

/// The row that the member certainly held at the time of the request.
fn held_before<'a>(
    index: &EvidenceIndex<'a>,
    issued_us: &HashMap<(&str, &str), u64>,
    op: &Op,
) -> Option<&'a Row> {
    let key = (&*op.coupon, &*op.member);
    let row = index.row_of.get(&key)?;
    let answered_before = issued_us.get(&key).is_some_and(|issued| *issued < op.sent_us);
    let issued_before = row.issued_at_ms + index.slack_ms() < index.at_ms(op.sent_us);
    (answered_before || issued_before).then_some(*row)
}

/// The evidence that the coupon was not sold out at any moment between request and answer.
fn coupons_left(index: &EvidenceIndex<'_>, op: &Op) -> Option<String> {
    let total = index.totals.lower_bound(&op.coupon, op.sent_us);
    let until_ms = index.at_ms(op.answered_us) + index.slack_ms();
    let issued_ms = index.issued_ms.get(&*op.coupon).map_or(&[][..], Vec::as_slice);
    let issued = issued_ms.partition_point(|at_ms| *at_ms <= until_ms);
    ((issued as u64) < u64::from(total)).then(|| format!("{issued} of at least {total} were issued by then"))
}
