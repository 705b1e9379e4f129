//! What the service counts and what the database holds, and what of it contradicts what members were told.

use std::collections::HashMap;

use serde::Serialize;

use super::config::{RunConfig, RunError, Scenario};
use crate::admin_client::AdminClient;
use crate::format::thousands;
use crate::issued_answers::{self, IssuedAnswer};
use crate::rows::{Row, Rows};

/// How many members are named.
const NAMED: usize = 5;

/// What is so of one coupon, some time after the last answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Truth {
    /// Which coupon.
    pub coupon_id: String,
    /// How many there are, says the service.
    pub total: u32,
    /// How many are issued, says the service.
    pub issued: u32,
    /// How many different members were told that they hold one.
    pub told: u64,
    /// How many rows there are; absent if nobody said where the database is.
    pub rows: Option<u64>,
    /// How many issuances may have gone to somebody who was not told; absent if others may have asked, too.
    pub may_be_untold: Option<u64>,
    /// The rows themselves.
    #[serde(skip)]
    pub held: Option<Vec<Row>>,
}

impl Truth {
    /// Asks the service, and the database until it has what the service counts or the time for that is over.
    pub(super) async fn find(
        config: &RunConfig,
        admin: &mut AdminClient,
        rows: Option<&Rows>,
        coupon: &str,
        told: &[IssuedAnswer],
        unknown: u64,
    ) -> Result<Self, RunError> {
        let terms = admin.fetch_coupon(coupon).await?;
        let held = match rows {
            Some(rows) => {
                rows.until(coupon, terms.issued.into(), config.settle).await?;
                Some(rows.of(coupon).await?)
            }
            None => None,
        };
        // Of a coupon that the run made nobody else knows; the holder of one that is sold out is the run's own.
        let own = config.coupons.is_empty();
        let holders = u64::from(config.scenario == Scenario::SoldOut);
        Ok(Self {
            coupon_id: coupon.to_owned(),
            total: terms.total,
            issued: terms.issued,
            told: issued_answers::count_distinct(told).0,
            rows: held.as_ref().map(|held| held.len() as u64),
            may_be_untold: own.then_some(unknown + holders),
            held,
        })
    }

    /// Without the rows themselves, which may be many.
    pub(super) fn without_rows(self) -> Self {
        Self { held: None, ..self }
    }
}

/// Every contradiction, each a sentence.
#[must_use]
pub fn judge(truth: &Truth, told: &[IssuedAnswer]) -> Vec<String> {
    let Truth { coupon_id, total, issued, .. } = truth;
    let mut found: Vec<String> =
        issued_answers::find_violations(told, Some(*total)).iter().map(ToString::to_string).collect();
    if let Some(more) = found.len().checked_sub(NAMED).filter(|more| *more > 0) {
        found.truncate(NAMED);
        found.push(format!("and {} more of these", thousands(more as u64)));
    }
    if issued > total {
        found.push(format!("{issued} of {coupon_id} are issued, and there are {total}"));
    }
    if truth.told > u64::from(*issued) {
        let told = truth.told;
        found.push(format!("{told} members were told a coupon of {coupon_id}, and {issued} are issued"));
    }
    let untold = u64::from(*issued).saturating_sub(truth.told);
    if truth.may_be_untold.is_some_and(|may| untold > may) {
        found.push(format!("{untold} of {coupon_id} are issued to nobody who was told"));
    }
    if let Some(held) = &truth.held {
        found.extend(against_rows(truth, held, told));
    }
    found
}

fn against_rows(truth: &Truth, held: &[Row], told: &[IssuedAnswer]) -> Vec<String> {
    let Truth { coupon_id, total, issued, .. } = truth;
    let mut found = Vec::new();
    let count = held.len() as u64;
    if count > u64::from(*total) {
        found.push(format!("{count} rows of {coupon_id}, and there are {total}"));
    }
    if count != u64::from(*issued) {
        found.push(format!("{issued} of {coupon_id} are issued, and {count} are in the database"));
    }
    let by_member: HashMap<&str, &Row> = held.iter().map(|row| (row.member_id.as_str(), row)).collect();
    if by_member.len() < held.len() {
        found.push(format!(
            "{} rows of {coupon_id} are of members who have another",
            held.len() - by_member.len()
        ));
    }
    let kept = |told: &&IssuedAnswer| {
        by_member
            .get(told.member_id.as_str())
            .is_some_and(|row| u32::try_from(row.sequence) == Ok(told.sequence) && row.code == told.code)
    };
    let lost: Vec<&str> =
        told.iter().filter(|told| !kept(told)).map(|told| told.member_id.as_str()).collect();
    if !lost.is_empty() {
        let named = lost.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        found.push(format!(
            "{} answers of {coupon_id} are no row: those of {named}{}",
            thousands(lost.len() as u64),
            if lost.len() > NAMED { " and others" } else { "" }
        ));
    }
    found
}

#[cfg(test)]
#[path = "truth_tests.rs"]
mod tests;
