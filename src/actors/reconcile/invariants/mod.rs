//! The promises, proven on the data at rest: which of them hold, and who breaks them. Nothing is written.

mod rows;

use serde::Serialize;

use self::rows::RowPromises;
use super::report::{CouponReport, DriftKind, Finding, Place};
use super::run::failed;
use super::sources::{ROWS_PAGE, ReconcileDeps, ReconcileError};
use super::watch::Watch;
use crate::domain::{Coupon, CouponId};

/// How many of those who break a promise are named.
const OFFENDERS_MAX: usize = 5;

/// One promise, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invariant {
    /// A short name that never changes.
    pub name: &'static str,
    /// What is promised, in words.
    pub promise: &'static str,
    /// Whether nothing was found against it; none if it could not be looked at.
    pub held: Option<bool>,
    /// The first of those who break it.
    pub offenders: Vec<String>,
    /// How many break it beyond those.
    pub more: u64,
}

impl Invariant {
    pub(super) fn new(name: &'static str, promise: &'static str) -> Self {
        Self { name, promise, held: Some(true), offenders: Vec::new(), more: 0 }
    }

    pub(super) fn broken_by(&mut self, offender: impl FnOnce() -> String) {
        self.held = Some(false);
        if self.offenders.len() < OFFENDERS_MAX {
            self.offenders.push(offender());
        } else {
            self.more += 1;
        }
    }

    /// Says why it could not be looked at, or not at all of it.
    fn not_proven(&mut self, why: &str) {
        if self.held == Some(true) {
            self.held = None;
            self.offenders.push(why.to_owned());
        }
    }
}

/// What was proven of one coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CouponProof {
    /// Which coupon.
    pub coupon_id: String,
    /// How many rows were read.
    pub rows: u64,
    /// Contradictions in the quarantine that operators have settled; they break no promise.
    pub settled: u64,
    /// Lost numbers that an operator had written off: they have rows, and nobody holds them.
    pub written_off: u64,
    /// Every promise.
    #[serde(rename = "promises")]
    pub invariants: Vec<Invariant>,
}

/// What was proven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProofReport {
    /// Every coupon that was looked at.
    pub coupons: Vec<CouponProof>,
    /// How many promises are broken.
    pub broken: u64,
    /// How many could not be looked at.
    pub unproven: u64,
    /// Messages in the dead-letter queue; absent where there is none, or it was not looked at.
    pub dead_letters: Option<u64>,
    /// Why they were not counted, if they were to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters_not_counted: Option<String>,
}

/// Proves the promises on all coupons, or on `only` one.
///
/// # Errors
/// [`ReconcileError`] if somebody cannot be asked.
pub async fn verify(
    parts: &ReconcileDeps,
    only: Option<&CouponId>,
    watch: &mut dyn Watch,
) -> Result<ProofReport, ReconcileError> {
    let mut report = ProofReport::default();
    let catalog = parts.coupons(only).await?;
    for coupon in &catalog.coupons {
        let (count, mut invariants) = of_rows(parts, coupon).await?;
        let examined = parts.examined(coupon, watch).await?;
        invariants.extend(of_the_whole(&examined));
        report.add(&examined, count, invariants);
    }
    if only.is_none() {
        for stranger in parts.uncomparable(&catalog).await? {
            report.add(&stranger, 0, of_the_whole(&stranger));
        }
    }
    Ok(report)
}

impl ProofReport {
    fn add(&mut self, examined: &CouponReport, rows: u64, invariants: Vec<Invariant>) {
        let so_many = |held| invariants.iter().filter(|promise| promise.held == held).count() as u64;
        self.broken += so_many(Some(false));
        self.unproven += so_many(None);
        self.coupons.push(CouponProof {
            coupon_id: examined.coupon_id.clone(),
            rows,
            settled: examined.settled,
            written_off: examined.written_off,
            invariants,
        });
    }
}

/// What rows alone can show.
async fn of_rows(parts: &ReconcileDeps, coupon: &Coupon) -> Result<(u64, Vec<Invariant>), ReconcileError> {
    let (mut invariants, mut after, mut count) = (RowPromises::of(coupon), 0, 0);
    loop {
        let page = parts.rows(&coupon.id, after, ROWS_PAGE).await.map_err(failed)?;
        count += page.len() as u64;
        page.iter().for_each(|row| invariants.see(row));
        match page.last() {
            Some(last) => after = last.sequence,
            None => return Ok((count, invariants.finish())),
        }
    }
}

/// What engine, outbox and database show together.
fn of_the_whole(report: &CouponReport) -> Vec<Invariant> {
    let mut same = Invariant::new("told_is_stored", "the engine and the database hold the same issuances");
    let mut counts = Invariant::new("counts_agree", "what is left is the total less what members hold");
    let mut outbox = Invariant::new("outbox_is_true", "the outbox holds only what the engine has issued");
    let mut quarantine = Invariant::new("nothing_contradicts", "nothing that arrived contradicts a row");
    for finding in report.findings.iter().filter(|finding| finding.kind != DriftKind::NotCompared) {
        let broken = match (finding.place, finding.kind) {
            (Place::Quarantine, _) => &mut quarantine,
            (Place::Outbox, _) => &mut outbox,
            (Place::Rows, DriftKind::Counts | DriftKind::Total) => &mut counts,
            (Place::Rows, _) => &mut same,
        };
        broken.broken_by(|| Finding::sentence(finding));
    }
    same.more += report.unnamed;
    if let Some(why) = report.findings.iter().find(|finding| finding.kind == DriftKind::NotCompared) {
        for promise in [&mut same, &mut counts, &mut outbox] {
            promise.not_proven(&why.detail);
        }
    }
    vec![same, counts, outbox, quarantine]
}
