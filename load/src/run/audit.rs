//! Compares the service's counts and the rows of the database with the answers.

use std::collections::HashMap;

use serde::Serialize;

use super::config::{RunConfig, RunError, Scenario};
use crate::admin_client::AdminClient;
use crate::format::thousands;
use crate::issued_answers::{self, IssuedAnswer};
use crate::rows::{IssuanceRow, IssuanceTable};

/// The largest number of members or violations that are named.
const NAMED_MAX: usize = 5;

/// The state of one coupon, some time after the last answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CouponAudit {
    pub coupon_id: String,
    /// As the service reports it.
    pub total: u32,
    /// As the service reports it.
    pub issued: u32,
    /// The number of distinct members with an issuance in the answers.
    #[serde(rename = "told")]
    pub answered_members: u64,
    /// Absent without a database URL.
    pub rows: Option<u64>,
    /// The largest number of issuances that may be missing from the answers; absent if the coupon has other
    /// clients.
    #[serde(rename = "may_be_untold")]
    pub unanswered_max: Option<u64>,
    #[serde(skip)]
    pub issuance_rows: Option<Vec<IssuanceRow>>,
}

impl CouponAudit {
    /// Waits until the database has as many rows as the service counts, or the settle timeout passes.
    pub(super) async fn collect(
        config: &RunConfig,
        admin: &mut AdminClient,
        rows: Option<&IssuanceTable>,
        coupon: &str,
        answers: &[IssuedAnswer],
        unknown: u64,
    ) -> Result<Self, RunError> {
        let terms = admin.fetch_coupon(coupon).await?;
        let issuance_rows = match rows {
            Some(rows) => {
                rows.wait_for_count(coupon, terms.issued.into(), config.settle_timeout).await?;
                Some(rows.fetch(coupon).await?)
            }
            None => None,
        };
        // A coupon that the run created has no other clients. The holder of a sold-out coupon is the run's
        // own.
        let is_own = config.coupons.is_empty();
        let holders = u64::from(config.scenario == Scenario::SoldOut);
        Ok(Self {
            coupon_id: coupon.to_owned(),
            total: terms.total,
            issued: terms.issued,
            answered_members: issued_answers::count_distinct(answers).0,
            rows: issuance_rows.as_ref().map(|issuance_rows| issuance_rows.len() as u64),
            unanswered_max: is_own.then_some(unknown + holders),
            issuance_rows,
        })
    }

    /// Drops the rows themselves, which may be many.
    pub(super) fn without_rows(self) -> Self {
        Self { issuance_rows: None, ..self }
    }
}

/// Finds every contradiction, each a sentence.
#[must_use]
pub fn find_contradictions(audit: &CouponAudit, answers: &[IssuedAnswer]) -> Vec<String> {
    let CouponAudit { coupon_id, total, issued, .. } = audit;
    let mut found: Vec<String> =
        issued_answers::find_violations(answers, Some(*total)).iter().map(ToString::to_string).collect();
    if let Some(rest) = found.len().checked_sub(NAMED_MAX).filter(|rest| *rest > 0) {
        found.truncate(NAMED_MAX);
        found.push(format!("and {} more of these", thousands(rest as u64)));
    }
    if issued > total {
        found.push(format!("{issued} of {coupon_id} are issued, and the total is {total}"));
    }
    if audit.answered_members > u64::from(*issued) {
        let members = audit.answered_members;
        found.push(format!("{members} members got {coupon_id} in an answer, and {issued} are issued"));
    }
    let unanswered = u64::from(*issued).saturating_sub(audit.answered_members);
    if audit.unanswered_max.is_some_and(|max| unanswered > max) {
        found.push(format!("{unanswered} of {coupon_id} are issued and in no answer"));
    }
    if let Some(issuance_rows) = &audit.issuance_rows {
        found.extend(contradicting_rows(audit, issuance_rows, answers));
    }
    found
}

fn contradicting_rows(
    audit: &CouponAudit,
    issuance_rows: &[IssuanceRow],
    answers: &[IssuedAnswer],
) -> Vec<String> {
    let CouponAudit { coupon_id, total, issued, .. } = audit;
    let mut found = Vec::new();
    let count = issuance_rows.len() as u64;
    if count > u64::from(*total) {
        found.push(format!("{count} rows of {coupon_id}, and the total is {total}"));
    }
    if count != u64::from(*issued) {
        found.push(format!("{issued} of {coupon_id} are issued, and {count} are in the database"));
    }
    let by_member: HashMap<&str, &IssuanceRow> =
        issuance_rows.iter().map(|row| (row.member_id.as_str(), row)).collect();
    if by_member.len() < issuance_rows.len() {
        found.push(format!(
            "{} rows of {coupon_id} are of members with another row",
            issuance_rows.len() - by_member.len()
        ));
    }
    let has_row = |answer: &&IssuedAnswer| {
        by_member
            .get(answer.member_id.as_str())
            .is_some_and(|row| u32::try_from(row.sequence) == Ok(answer.sequence) && row.code == answer.code)
    };
    let lost: Vec<&str> =
        answers.iter().filter(|answer| !has_row(answer)).map(|answer| answer.member_id.as_str()).collect();
    if !lost.is_empty() {
        let named = lost.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        found.push(format!(
            "{} answers of {coupon_id} have no such row: those of {named}{}",
            thousands(lost.len() as u64),
            if lost.len() > NAMED_MAX { " and others" } else { "" }
        ));
    }
    found
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
