//! Putting right what can be put right without a doubt, and nothing else.
//!
//! What the engine holds and the database lacks is written into the database at once, not published: the database has
//! just been read, so it is there; its answer is final, where a broker's confirm is not; and it helps also while the
//! broker is away. Writing is idempotent, so that a message which brings the same later finds it there, and whatever
//! contradicts a row goes to the quarantine and not over it.

use futures_util::future::try_join_all;

use super::report::{CouponReport, DriftKind, Finding, Remedy};
use super::sources::{ReconcileDeps, Stop, within};
use crate::domain::{CouponId, Grant, IssuedCoupon};
use crate::ports::{CatalogChange, InsertReport, StoreError, TotalChange};

/// Issuances that are written at a time.
const BATCH: usize = 256;

/// Applies the remedies of `report`.
pub(super) async fn repair(parts: &ReconcileDeps, coupon: &CouponId, report: &mut CouponReport) {
    // A total that is too low keeps rows from being written.
    for finding in &mut report.findings {
        if let Some(Remedy::RaiseTotal(total)) = finding.remedy {
            let total = Some(TotalChange::AtLeast(total));
            let change = CatalogChange { total, ..CatalogChange::default() };
            let raised = within("the catalogue", parts.catalog.change(coupon, &change)).await;
            settle(finding, raised.map(|()| "the catalogue's has been raised"));
        }
    }
    let mut missing: Vec<&mut Finding> =
        report.findings.iter_mut().filter(|finding| finding.remedy.is_some()).collect();
    for batch in missing.chunks_mut(BATCH) {
        if write(parts, coupon, batch).await.is_err() {
            return;
        }
    }
}

/// Notes what became of a remedy.
fn settle(finding: &mut Finding, outcome: Result<&str, Stop>) {
    finding.remedy = None;
    match outcome {
        Ok(done) => {
            finding.repaired = true;
            finding.detail = format!("{}; {done}", finding.detail);
        }
        Err(stop) => finding.detail = format!("{}; it could not be repaired: {}", finding.detail, why(stop)),
    }
}

fn why(stop: Stop) -> String {
    match stop {
        Stop::Found(finding) => finding.detail,
        Stop::Failed(error) => error.to_string(),
    }
}

/// Writes what a batch of findings lacks; an error if nobody answers, so that more would be in vain.
async fn write(parts: &ReconcileDeps, coupon: &CouponId, batch: &mut [&mut Finding]) -> Result<(), ()> {
    let issuances: Vec<IssuedCoupon> = batch.iter().filter_map(|finding| issuance(finding)).collect();
    // Asked once more at the last moment: an engine that was rebuilt meanwhile may have given the sequence to another.
    let held = try_join_all(issuances.iter().map(|issuance| is_held(parts, coupon, issuance))).await;
    let held = match held {
        Ok(held) => held,
        Err(stop) => return give_up(batch, stop),
    };
    let sure: Vec<IssuedCoupon> =
        issuances.into_iter().zip(held).filter_map(|(issuance, held)| held.then_some(issuance)).collect();
    match within("the database", insert(parts, &sure)).await {
        Ok(Ok(done)) => told(batch, &sure, &done),
        Ok(Err(rejected)) if sure.len() == 1 => reject(batch, &sure[0], &rejected),
        // One of them spoils it for all: each alone, then.
        Ok(Err(_)) => {
            for issuance in sure {
                match within("the database", insert(parts, std::slice::from_ref(&issuance))).await {
                    Ok(Ok(done)) => told(batch, &[issuance], &done),
                    Ok(Err(rejected)) => reject(batch, &issuance, &rejected),
                    Err(stop) => return give_up(batch, stop),
                }
            }
        }
        Err(stop) => return give_up(batch, stop),
    }
    Ok(())
}

fn issuance(finding: &Finding) -> Option<IssuedCoupon> {
    match &finding.remedy {
        Some(Remedy::Insert(issuance)) => Some(issuance.clone()),
        _ => None,
    }
}

async fn is_held(parts: &ReconcileDeps, coupon: &CouponId, issuance: &IssuedCoupon) -> Result<bool, Stop> {
    let held = within("the engine", parts.engine.find(coupon, &issuance.member_id)).await?;
    Ok(held == Some(Grant { sequence: issuance.sequence, issued_at: issuance.issued_at }))
}

/// The database's word: what became of a batch, or why it rejects it.
async fn insert(
    parts: &ReconcileDeps,
    batch: &[IssuedCoupon],
) -> Result<Result<InsertReport, String>, StoreError> {
    if batch.is_empty() {
        return Ok(Ok(InsertReport::default()));
    }
    match parts.store.insert(batch).await {
        Ok(report) => {
            report.log_alarms();
            Ok(Ok(report))
        }
        Err(StoreError::Rejected(why)) => Ok(Err(why)),
        Err(error) => Err(error),
    }
}

/// The findings of a batch that still wait for their remedy.
fn open<'a>(batch: &'a mut [&mut Finding]) -> impl Iterator<Item = (IssuedCoupon, &'a mut Finding)> {
    batch.iter_mut().filter_map(|finding| Some((issuance(finding)?, &mut **finding)))
}

fn told(batch: &mut [&mut Finding], written: &[IssuedCoupon], done: &InsertReport) {
    for (issuance, finding) in open(batch) {
        if !written.contains(&issuance) {
            continue;
        }
        match done.conflicts.iter().find(|conflict| conflict.arrived == issuance) {
            None => settle(finding, Ok("it has been written")),
            Some(conflict) => {
                finding.kind = DriftKind::Conflicting;
                finding.remedy = None;
                finding.detail = format!("it cannot be written, and is in the quarantine: {}", conflict.held);
            }
        }
    }
}

fn reject(batch: &mut [&mut Finding], rejected: &IssuedCoupon, why: &str) {
    for (issuance, finding) in open(batch) {
        if issuance == *rejected {
            finding.remedy = None;
            finding.detail = format!("{}; the database rejects it: {why}", finding.detail);
        }
    }
}

fn give_up(batch: &mut [&mut Finding], stop: Stop) -> Result<(), ()> {
    let why = why(stop);
    for (_, finding) in open(batch) {
        finding.detail = format!("{}; it could not be repaired: {why}", finding.detail);
    }
    Err(())
}
