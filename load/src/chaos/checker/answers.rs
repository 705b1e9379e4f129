//! Members who were told that they hold a coupon: always the same one, and it is a row, once.

use std::collections::HashMap;

use super::{Book, Violation, name};

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut first: HashMap<(&str, &str), (u32, &str)> = HashMap::new();
    for (op, _, sequence, code) in book.told() {
        let key = (&*op.coupon, &*op.member);
        let before = *first.entry(key).or_insert((sequence, code));
        if before != (sequence, code) {
            let what = format!("{} was told {sequence} {code}, and before that {before:?}", name(op));
            violations.push(Violation::new("the_same_coupon_again", what));
        }
    }
    // Each broken promise to a member is told once, however often they heard it.
    for ((coupon, member), (sequence, code)) in first {
        let what = match book.row_of.get(&(coupon, member)) {
            None => "has no row".to_owned(),
            Some(row) if (row.sequence, row.code.as_str()) == (sequence, code) => continue,
            Some(row) => format!("has another row: {row:?}"),
        };
        let what = format!("member {member} of {coupon} was told {sequence} {code}, and {what}");
        violations.push(Violation::new("told_is_in_the_database", what));
    }
    violations.sort_by(|one, other| one.what.cmp(&other.what));
    violations
}
