//! Issued answers: a member always gets the same sequence and code, and the database has that row.

use std::collections::HashMap;

use super::{Book, Violation, name};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut first: HashMap<(&str, &str), (u32, &str)> = HashMap::new();
    for (op, _, sequence, code) in book.issued() {
        let key = (&*op.coupon, &*op.member);
        let before = *first.entry(key).or_insert((sequence, code));
        if before != (sequence, code) {
            let what = format!("{} was issued {sequence} {code}, and before that {before:?}", name(op));
            violations.push(Violation::new("the_same_coupon_again", what));
        }
    }
    // One violation for each member, however many answers they got.
    for ((coupon, member), (sequence, code)) in first {
        let what = match book.row_of.get(&(coupon, member)) {
            None => "has no row".to_owned(),
            Some(row) if (row.sequence, row.code.as_str()) == (sequence, code) => continue,
            Some(row) => format!("has another row: {row:?}"),
        };
        let what = format!("member {member} of {coupon} was issued {sequence} {code}, and {what}");
        violations.push(Violation::new("told_is_in_the_database", what));
    }
    violations.sort_by(|one, other| one.what.cmp(&other.what));
    violations
}
