//! `verify`: proves the invariants on data at rest and names the offenders. Writes nothing.

mod rows;

use serde::Serialize;

use self::rows::RowInvariants;
use super::comparison::Watch;
use super::report::{CouponReport, DriftKind, Finding, Source};
use super::sources::{ROWS_PAGE, ReconcileDeps, ReconcileError};
use crate::domain::{Coupon, CouponId};

/// Named offenders of one invariant; further ones are counted.
const OFFENDERS_MAX: usize = 5;

/// One invariant, and whether the data keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// A short, stable name.
    pub name: &'static str,
    /// The invariant in words.
    pub promise: &'static str,
    /// Absent if it could not be proven.
    pub held: Option<bool>,
    /// The first offenders, or the cause of a missing proof.
    pub offenders: Vec<String>,
    /// Further offenders.
    pub more: u64,
}

impl Invariant {
    pub(super) fn new(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, held: Some(true), offenders: Vec::new(), more: 0 }
    }

    pub(super) fn add_offender(&mut self, offender: impl FnOnce() -> String) {
        self.held = Some(false);
        if self.offenders.len() < OFFENDERS_MAX {
            self.offenders.push(offender());
        } else {
            self.more += 1;
        }
    }

    /// Marks an unbroken invariant as not proven.
    fn set_unproven(&mut self, why: &str) {
        if self.held == Some(true) {
            self.held = None;
            self.offenders.push(why.to_owned());
        }
    }
}

/// The proofs of one coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CouponProof {
    pub coupon_id: String,
    pub rows: u64,
    /// Settled conflicts in the quarantine; they break no invariant.
    pub settled: u64,
    /// Lost numbers that were written off: they have rows and no holder.
    pub written_off: u64,
    #[serde(rename = "promises")]
    pub invariants: Vec<Invariant>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProofReport {
    pub coupons: Vec<CouponProof>,
    /// Broken invariants.
    pub broken: u64,
    /// Invariants without a proof.
    pub unproven: u64,
    /// Messages in the dead-letter queue; absent without a queue or without a count.
    pub dead_letters: Option<u64>,
    /// The cause of a missing count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters_not_counted: Option<String>,
}

/// Proves the invariants on all coupons, or on `only` one.
///
/// # Errors
/// [`ReconcileError`] if a source does not answer.
pub async fn verify(
    deps: &ReconcileDeps,
    only: Option<&CouponId>,
    watch: &mut dyn Watch,
) -> Result<ProofReport, ReconcileError> {
    let mut report = ProofReport::default();
    let catalog = deps.coupons(only).await?;
    for coupon in &catalog.coupons {
        let (rows, mut invariants) = check_rows(deps, coupon).await?;
        let compared = deps.compare_at_rest(coupon, watch).await?;
        invariants.extend(check_comparison(&compared));
        report.add(&compared, rows, invariants);
    }
    if only.is_none() {
        for coupon in deps.uncomparable(&catalog).await? {
            report.add(&coupon, 0, check_comparison(&coupon));
        }
    }
    Ok(report)
}

impl ProofReport {
    fn add(&mut self, compared: &CouponReport, rows: u64, invariants: Vec<Invariant>) {
        let count = |held| invariants.iter().filter(|invariant| invariant.held == held).count() as u64;
        self.broken += count(Some(false));
        self.unproven += count(None);
        self.coupons.push(CouponProof {
            coupon_id: compared.coupon_id.clone(),
            rows,
            settled: compared.settled,
            written_off: compared.written_off,
            invariants,
        });
    }
}

/// The invariants of the rows alone.
async fn check_rows(deps: &ReconcileDeps, coupon: &Coupon) -> Result<(u64, Vec<Invariant>), ReconcileError> {
    let mut invariants = RowInvariants::new(coupon);
    let (mut after, mut count) = (0, 0);
    loop {
        let page = deps.rows(&coupon.id, after, ROWS_PAGE).await?;
        count += page.len() as u64;
        page.iter().for_each(|row| invariants.check(row));
        match page.last() {
            Some(last) => after = last.sequence,
            None => return Ok((count, invariants.finish())),
        }
    }
}

/// The invariants across engine, outbox and database.
fn check_comparison(report: &CouponReport) -> Vec<Invariant> {
    let mut same = Invariant::new("told_is_stored", "the engine and the database hold the same issuances");
    let mut counts = Invariant::new("counts_agree", "what is left is the total less what members hold");
    let mut outbox = Invariant::new("outbox_is_true", "the outbox holds only what the engine has issued");
    let mut quarantine = Invariant::new("nothing_contradicts", "nothing that arrived contradicts a row");
    for finding in report.findings.iter().filter(|finding| finding.kind != DriftKind::NotCompared) {
        let broken = match (finding.source, finding.kind) {
            (Source::Quarantine, _) => &mut quarantine,
            (Source::Outbox, _) => &mut outbox,
            (Source::Rows, DriftKind::Counts | DriftKind::Total) => &mut counts,
            (Source::Rows, _) => &mut same,
        };
        broken.add_offender(|| Finding::sentence(finding));
    }
    same.more += report.unnamed;
    if let Some(why) = report.findings.iter().find(|finding| finding.kind == DriftKind::NotCompared) {
        for invariant in [&mut same, &mut counts, &mut outbox] {
            invariant.set_unproven(&why.detail);
        }
    }
    vec![same, counts, outbox, quarantine]
}
