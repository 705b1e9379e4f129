//! The rows: dense sequences up to the total at most, one row for each member and code, and none without a request.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{EvidenceIndex, Row, Violation};
use crate::chaos::history::Call;

pub(super) fn check(index: &EvidenceIndex<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut coupons: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &index.evidence.rows {
        coupons.entry(&row.coupon).or_default().push(row);
    }
    for (coupon, rows) in &coupons {
        let mut sequences: Vec<u32> = rows.iter().map(|row| row.sequence).collect();
        sequences.sort_unstable();
        if let Some((expected, found)) = (1..).zip(&sequences).find(|(expected, found)| expected != *found) {
            let what = format!(
                "{coupon}: sequence {expected} is expected next, and {found} is found ({} rows)",
                rows.len()
            );
            violations.push(Violation::new("sequences_are_dense", what));
        }
        let largest_total = index.totals.upper_bound(coupon);
        if let Some(highest) = sequences.last().filter(|highest| **highest > largest_total) {
            let what =
                format!("{coupon}: sequence {highest} is issued, above the largest total {largest_total}");
            violations.push(Violation::new("never_more_than_the_total", what));
        }
    }
    violations.extend(duplicates_of("one_issuance_per_member", &index.evidence.rows, |row| {
        (&row.coupon, &row.member)
    }));
    violations.extend(duplicates_of("one_row_per_code", &index.evidence.rows, |row| (&row.code, "")));
    violations.extend(rows_without_request(index));
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

fn rows_without_request(index: &EvidenceIndex<'_>) -> Vec<Violation> {
    let mut first_requests: HashMap<(&str, &str), u64> = HashMap::new();
    for op in index.evidence.ops.iter().filter(|op| op.call == Call::Issue) {
        let first_sent_us = first_requests.entry((&*op.coupon, &*op.member)).or_insert(op.sent_us);
        *first_sent_us = op.sent_us.min(*first_sent_us);
    }
    let unrequested = index.evidence.rows.iter().filter_map(|row| {
        let what = match first_requests.get(&(row.coupon.as_str(), row.member.as_str())) {
            None => "without an issue request",
            Some(first_sent_us) if row.issued_at_ms + index.slack_ms() < index.at_ms(*first_sent_us) => {
                "older than the first issue request"
            }
            Some(_) => return None,
        };
        Some(Violation::new("issued_only_on_request", format!("a row {what}: {row:?}")))
    });
    unrequested.collect()
}
