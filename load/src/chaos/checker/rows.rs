//! The rows by themselves: dense, never above the total, one a member, one code a coupon, and none out of nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Book, Row, Violation};
use crate::chaos::history::Call;

pub(super) fn check(book: &Book<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut coupons: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &book.evidence.rows {
        coupons.entry(&row.coupon).or_default().push(row);
    }
    for (coupon, rows) in &coupons {
        let mut sequences: Vec<u32> = rows.iter().map(|row| row.sequence).collect();
        sequences.sort_unstable();
        if let Some((place, found)) = (1..).zip(&sequences).find(|(place, found)| place != *found) {
            let what =
                format!("{coupon}: where sequence {place} should be is {found}, of {} rows", rows.len());
            violations.push(Violation::new("sequences_are_dense", what));
        }
        let most = book.totals.most(coupon);
        if let Some(highest) = sequences.last().filter(|highest| **highest > most) {
            let what = format!("{coupon}: sequence {highest} is issued, of {most} that there ever were");
            violations.push(Violation::new("never_more_than_the_total", what));
        }
    }
    violations.extend(doubles("one_coupon_a_member", &book.evidence.rows, |row| (&row.coupon, &row.member)));
    violations.extend(doubles("one_row_a_code", &book.evidence.rows, |row| (&row.code, "")));
    violations.extend(out_of_nothing(book));
    violations
}

fn doubles<'a, K: std::hash::Hash + Eq>(
    promise: &'static str,
    rows: &'a [Row],
    key: impl Fn(&'a Row) -> K,
) -> Vec<Violation> {
    let mut seen = HashSet::new();
    let again = rows.iter().filter(|row| !seen.insert(key(row)));
    again.map(|row| Violation::new(promise, format!("there are two rows for {row:?}"))).collect()
}

fn out_of_nothing(book: &Book<'_>) -> Vec<Violation> {
    let mut first_asked: HashMap<(&str, &str), u64> = HashMap::new();
    for op in book.evidence.ops.iter().filter(|op| op.call == Call::Issue) {
        let asked = first_asked.entry((&*op.coupon, &*op.member)).or_insert(op.asked_us);
        *asked = op.asked_us.min(*asked);
    }
    let unasked = book.evidence.rows.iter().filter_map(|row| {
        let what = match first_asked.get(&(row.coupon.as_str(), row.member.as_str())) {
            None => "nobody asked for",
            Some(asked) if row.issued_at_ms + book.slack_ms() < book.at_ms(*asked) => {
                "is older than the first question for"
            }
            Some(_) => return None,
        };
        Some(Violation::new("issued_only_to_who_asks", format!("a row that {what}: {row:?}")))
    });
    unasked.collect()
}
