//! Repairs with certainly safe remedies, and no others.
//!
//! An issuance that the engine holds and the database lacks is inserted at once instead of published: the database has
//! just been read, so it is reachable; its answer is final, unlike a broker's confirm; and it works during an outage of
//! the broker. Inserting is idempotent: a later message with the same issuance finds the row, and a conflict goes to
//! the quarantine and leaves the row as it is.

use futures_util::future::try_join_all;

use super::report::{CouponReport, DriftKind, Finding, Remedy};
use super::sources::{CompareError, ReconcileDeps, ReconcileError, bounded};
use crate::domain::{CouponId, Grant, IssuedCoupon};
use crate::ports::{CatalogChange, InsertReport, StoreError, TotalChange};

const ROWS_PER_INSERT: usize = 256;

/// No source answers, so that further repairs would be in vain. The findings carry the cause.
struct Unavailable;

/// Applies the remedies of `report`.
pub(super) async fn repair(deps: &ReconcileDeps, coupon: &CouponId, report: &mut CouponReport) {
    // The total comes first: the database refuses rows above it.
    for finding in &mut report.findings {
        if let Some(Remedy::RaiseTotal(total)) = finding.remedy {
            let total = Some(TotalChange::AtLeast(total));
            let change = CatalogChange { total, ..CatalogChange::default() };
            let raised = bounded(deps.catalog.change(coupon, &change)).await;
            finding.remedy = None;
            match raised {
                Ok(()) => record_repair(finding, "the catalogue's has been raised"),
                Err(error) => record_failure(finding, &error.to_string()),
            }
        }
    }
    let mut missing: Vec<&mut Finding> =
        report.findings.iter_mut().filter(|finding| finding.remedy.is_some()).collect();
    for batch in missing.chunks_mut(ROWS_PER_INSERT) {
        if insert_missing(deps, coupon, batch).await.is_err() {
            return;
        }
    }
}

fn record_repair(finding: &mut Finding, done: &str) {
    finding.remedy = None;
    finding.repaired = true;
    finding.detail = format!("{}; {done}", finding.detail);
}

fn record_failure(finding: &mut Finding, why: &str) {
    finding.detail = format!("{}; it could not be repaired: {why}", finding.detail);
}

async fn insert_missing(
    deps: &ReconcileDeps,
    coupon: &CouponId,
    batch: &mut [&mut Finding],
) -> Result<(), Unavailable> {
    let issuances: Vec<IssuedCoupon> = batch.iter().filter_map(|finding| issuance(finding)).collect();
    // Checked once more just before: an engine that was rebuilt meanwhile may have given the sequence to another
    // member.
    let held = try_join_all(issuances.iter().map(|issuance| is_held(deps, coupon, issuance))).await;
    let held = match held {
        Ok(held) => held,
        Err(error) => return Err(give_up(batch, &ReconcileError::from(error).to_string())),
    };
    let held: Vec<IssuedCoupon> =
        issuances.into_iter().zip(held).filter_map(|(issuance, held)| held.then_some(issuance)).collect();
    match insert(deps, &held).await {
        Ok(report) => record_inserted(batch, &held, &report),
        Err(StoreError::Rejected(why)) if held.len() == 1 => record_rejected(batch, &held[0], &why),
        // One rejected row rejects the whole batch, so each is inserted alone.
        Err(StoreError::Rejected(_)) => {
            for issuance in held {
                match insert(deps, std::slice::from_ref(&issuance)).await {
                    Ok(report) => record_inserted(batch, &[issuance], &report),
                    Err(StoreError::Rejected(why)) => record_rejected(batch, &issuance, &why),
                    Err(error) => return Err(give_up(batch, &error.to_string())),
                }
            }
        }
        Err(error) => return Err(give_up(batch, &error.to_string())),
    }
    Ok(())
}

fn issuance(finding: &Finding) -> Option<IssuedCoupon> {
    match &finding.remedy {
        Some(Remedy::Insert(issuance)) => Some(issuance.clone()),
        _ => None,
    }
}

async fn is_held(
    deps: &ReconcileDeps,
    coupon: &CouponId,
    issuance: &IssuedCoupon,
) -> Result<bool, CompareError> {
    let held = bounded(deps.engine.find(coupon, &issuance.member_id)).await?;
    Ok(held == Some(Grant { sequence: issuance.sequence, issued_at: issuance.issued_at }))
}

async fn insert(deps: &ReconcileDeps, rows: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
    if rows.is_empty() {
        return Ok(InsertReport::default());
    }
    let report = bounded(deps.store.insert(rows)).await?;
    report.log_alarms();
    Ok(report)
}

/// The findings of a batch that still need their remedy.
fn open<'a>(batch: &'a mut [&mut Finding]) -> impl Iterator<Item = (IssuedCoupon, &'a mut Finding)> {
    batch.iter_mut().filter_map(|finding| Some((issuance(finding)?, &mut **finding)))
}

fn record_inserted(batch: &mut [&mut Finding], inserted: &[IssuedCoupon], report: &InsertReport) {
    for (issuance, finding) in open(batch).filter(|(issuance, _)| inserted.contains(issuance)) {
        match report.conflicts.iter().find(|conflict| conflict.arrived == issuance) {
            None => record_repair(finding, "it has been written"),
            Some(conflict) => {
                finding.kind = DriftKind::Conflicting;
                finding.remedy = None;
                finding.detail = format!("it cannot be written, and is in the quarantine: {}", conflict.held);
            }
        }
    }
}

fn record_rejected(batch: &mut [&mut Finding], rejected: &IssuedCoupon, why: &str) {
    for (_, finding) in open(batch).filter(|(issuance, _)| issuance == rejected) {
        finding.remedy = None;
        finding.detail = format!("{}; the database rejects it: {why}", finding.detail);
    }
}

fn give_up(batch: &mut [&mut Finding], why: &str) -> Unavailable {
    open(batch).for_each(|(_, finding)| record_failure(finding, why));
    Unavailable
}
