//! The comparison of one coupon, which may be issued at the same time. The order of the questions keeps an issuance in
//! flight from looking like a loss:
//!
//! 1. The engine's count limits the compared sequences. All of them are decided, so no holder, row or entry that is
//!    read afterwards can be absent because it is too new.
//! 2. An issuance of the last seconds, by the engine's clock, is in flight: it need not have a row yet.
//! 3. Holders are read first, then rows, then the outbox, then the absent rows once more: an entry leaves the outbox
//!    only when its row is in the database. An issuance that is in neither will not arrive any more.
//! 4. Rows above the count are compared with a count that is read after them: the engine decides before a row exists.

use std::time::Duration;

use super::findings::{Holders, Mismatches};
use super::report::{CouponReport, DriftKind, Finding, NAMED_MAX};
use super::slice::{HeldSlice, Runs, SLICE};
use super::sources::{CompareError, ROWS_PAGE, ReconcileDeps, ReconcileError, bounded};
use crate::domain::{Coupon, CouponId, Sequence, Timestamp};
use crate::ports::EngineError;

/// Observes the progress of a comparison.
pub trait Watch: Send {
    /// The coupon has been compared up to `done`, of `all` sequences.
    fn compared(&mut self, _coupon: &CouponId, _done: Sequence, _all: Sequence) {}
}

/// Ignores the progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

pub(super) struct CouponComparison<'a> {
    pub(super) deps: &'a ReconcileDeps,
    pub(super) coupon: &'a Coupon,
    /// The time that an issuance has until it must have a row.
    settled_after: Duration,
    pub(super) report: CouponReport,
    /// The highest sequence with a holder.
    pub(super) highest_held: Sequence,
}

struct Scope {
    /// Every sequence up to this one is decided.
    through: Sequence,
    /// Later issuances are in flight. Absent if the engine cannot count.
    young_after: Option<Timestamp>,
}

struct ComparedSlice {
    held: HeldSlice,
    /// Sequences with a holder and without a row that are not in flight.
    without_row: Runs,
    mismatches: Mismatches,
}

impl<'a> CouponComparison<'a> {
    pub(super) fn new(deps: &'a ReconcileDeps, coupon: &'a Coupon, settled_after: Duration) -> Self {
        let report = CouponReport::new(coupon.id.as_str(), coupon.inventory.total());
        Self { deps, coupon, settled_after, report, highest_held: 0 }
    }

    /// Compares everything. A comparison that cannot go on because of the coupon's state reports that as a finding.
    pub(super) async fn run(mut self, watch: &mut dyn Watch) -> Result<CouponReport, ReconcileError> {
        match self.compare(watch).await {
            Ok(()) => {}
            Err(CompareError::Found(finding)) => {
                self.report.compared = false;
                self.report.add(finding);
            }
            Err(error @ CompareError::Unavailable(_)) => return Err(error.into()),
        }
        self.report.findings.sort_by_key(|finding| finding.sequence);
        Ok(self.report)
    }

    async fn compare(&mut self, watch: &mut dyn Watch) -> Result<(), CompareError> {
        self.read_quarantine().await?;
        self.report.written_off = self.deps.written_off(&self.coupon.id).await?;
        let Some(scope) = self.scope().await? else { return Ok(()) };
        self.report.outbox = self.deps.outbox_depth(&self.coupon.id).await?;
        let mut first = 1;
        while first <= scope.through {
            let last = scope.through.min(first.saturating_add(SLICE - 1));
            let slice = self.compare_slice(&scope, first, last, watch).await?;
            self.report_slice(slice).await?;
            first = last + 1;
        }
        // Without a count of the engine there is nothing to compare with.
        if scope.young_after.is_some() {
            self.compare_above_count().await?;
            self.compare_totals().await?;
        }
        Ok(())
    }

    /// The comparable sequences; `None` if nothing has ever been issued.
    async fn scope(&mut self) -> Result<Option<Scope>, CompareError> {
        let id = &self.coupon.id;
        let standing = match bounded(self.deps.engine.standing(id)).await {
            Ok(standing) => standing,
            Err(EngineError::UnknownCoupon) => {
                let rows = bounded(self.deps.store.highest(id)).await?;
                return if rows == 0 { Ok(None) } else { Err(EngineError::UnknownCoupon.into()) };
            }
            // An engine with contradictory counts issues nothing, so nothing is in flight.
            Err(EngineError::Corrupt(why)) => {
                self.report.add(Finding::new(DriftKind::Counts, why));
                let mut through = bounded(self.deps.store.highest(id)).await?;
                self.deps.holders(id, |_, grant| through = through.max(grant.sequence)).await?;
                return Ok(Some(Scope { through, young_after: None }));
            }
            Err(error) => return Err(error.into()),
        };
        self.report.issued = standing.inventory.issued();
        let settled = i64::try_from(self.settled_after.as_millis()).unwrap_or(i64::MAX);
        let young_after = standing.now.plus_ms(settled.saturating_neg());
        Ok(Some(Scope { through: standing.inventory.issued(), young_after: Some(young_after) }))
    }

    async fn compare_slice(
        &mut self,
        scope: &Scope,
        first: Sequence,
        last: Sequence,
        watch: &mut dyn Watch,
    ) -> Result<ComparedSlice, CompareError> {
        let id = &self.coupon.id;
        let mut held = HeldSlice::new(first, last);
        let (mut young_from, mut highest) = (Sequence::MAX, self.highest_held);
        self.deps
            .holders(id, |member, grant| {
                held.record_holder(&member, grant);
                highest = highest.max(grant.sequence);
                // Times follow sequences: every sequence after the first young one is young.
                if scope.young_after.is_some_and(|settled| grant.issued_at > settled) {
                    young_from = young_from.min(grant.sequence);
                }
            })
            .await?;
        self.highest_held = highest;
        let mut comparison = held.compare(self.coupon, self.report.remaining_capacity());
        let mut after = first - 1;
        while after < last {
            let page = self.deps.rows(id, after, ROWS_PAGE).await?;
            let full = page.len() == ROWS_PAGE as usize;
            after = if full { page.last().map_or(last, |row| row.sequence) } else { last };
            for row in page.iter().filter(|row| row.sequence <= last) {
                comparison.add_row(row);
            }
            watch.compared(id, after.min(last), scope.through);
        }
        let differences = comparison.finish();
        self.report.rows += differences.rows;
        self.report.participants += held.count_holders();
        let mut mismatches = Mismatches { rows: differences.odd_rows, ..Mismatches::default() };
        self.report.unnamed += differences.more_odd_rows;
        self.deps
            .entries(id, first, last, |entry| {
                if !held.record_entry(&entry.member, entry.grant) && mismatches.entries.len() < NAMED_MAX {
                    mismatches.entries.push(entry);
                }
            })
            .await?;
        mismatches.gaps = differences.gaps;
        let mut old = Runs::default();
        for sequence in differences.without_row.iter() {
            if sequence < young_from {
                old.push(sequence);
            } else {
                self.report.in_flight += 1;
            }
        }
        let without_row = self.still_without_row(&old).await?;
        Ok(ComparedSlice { held, without_row, mismatches })
    }

    /// The sequences that have no row now either.
    async fn still_without_row(&self, sequences: &Runs) -> Result<Runs, CompareError> {
        let (mut wanted, mut without) = (sequences.iter().peekable(), Runs::default());
        while let Some(next) = wanted.peek().copied() {
            let page = self.deps.rows(&self.coupon.id, next - 1, ROWS_PAGE).await?;
            for row in &page {
                while let Some(sequence) = wanted.next_if(|sequence| *sequence < row.sequence) {
                    without.push(sequence);
                }
                wanted.next_if_eq(&row.sequence);
            }
            if page.len() < ROWS_PAGE as usize {
                wanted.by_ref().for_each(|sequence| without.push(sequence));
            }
        }
        Ok(without)
    }

    /// Turns the differences of a slice into findings.
    async fn report_slice(&mut self, slice: ComparedSlice) -> Result<(), CompareError> {
        let ComparedSlice { held, without_row, mismatches } = slice;
        let named: Vec<Sequence> = without_row.iter().take(self.report.remaining_capacity()).collect();
        self.report.unnamed += without_row.count() - named.len() as u64;
        let wanted = named.iter().copied().chain(mismatches.sequences(&held));
        let holders = Holders::read(self, wanted, &mismatches.rows).await?;
        for sequence in named {
            self.report_without_row(&holders, sequence, held.is_in_outbox(sequence));
        }
        self.report_mismatches(&holders, &held, &mismatches);
        Ok(())
    }
}
