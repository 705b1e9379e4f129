//! The rows: dense sequences up to the total at most, one row for each member and code, and none without a request.

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
        if let Some((expected, found)) = (1..).zip(&sequences).find(|(expected, found)| expected != *found) {
            let what = format!("{coupon}: sequence {found} follows {} of {} rows", expected - 1, rows.len());
            violations.push(Violation::new("sequences_are_dense", what));
        }
        let most = book.totals.most(coupon);
        if let Some(highest) = sequences.last().filter(|highest| **highest > most) {
            let what = format!("{coupon}: sequence {highest} is issued, above the largest total {most}");
            violations.push(Violation::new("never_more_than_the_total", what));
        }
    }
    violations
        .extend(duplicates_of("one_coupon_a_member", &book.evidence.rows, |row| (&row.coupon, &row.member)));
    violations.extend(duplicates_of("one_row_a_code", &book.evidence.rows, |row| (&row.code, "")));
    violations.extend(rows_without_request(book));
    violations
}

fn duplicates_of<'a, K: std::hash::Hash + Eq>(
    promise: &'static str,
    rows: &'a [Row],
    key: impl Fn(&'a Row) -> K,
) -> Vec<Violation> {
    let mut seen = HashSet::new();
    let duplicates = rows.iter().filter(|row| !seen.insert(key(row)));
    duplicates.map(|row| Violation::new(promise, format!("there are two rows for {row:?}"))).collect()
}

fn rows_without_request(book: &Book<'_>) -> Vec<Violation> {
    let mut first_requests: HashMap<(&str, &str), u64> = HashMap::new();
    for op in book.evidence.ops.iter().filter(|op| op.call == Call::Issue) {
        let asked = first_requests.entry((&*op.coupon, &*op.member)).or_insert(op.sent_us);
        *asked = op.sent_us.min(*asked);
    }
    let unrequested = book.evidence.rows.iter().filter_map(|row| {
        let what = match first_requests.get(&(row.coupon.as_str(), row.member.as_str())) {
            None => "without an issue request",
            Some(asked) if row.issued_at_ms + book.slack_ms() < book.at_ms(*asked) => {
                "older than the first issue request"
            }
            Some(_) => return None,
        };
        Some(Violation::new("issued_only_to_who_asks", format!("a row {what}: {row:?}")))
    });
    unrequested.collect()
}
