//! One coupon, compared while members may be getting theirs. The order of the questions keeps what is merely on its way
//! from looking like a loss:
//!
//! 1. The engine's count says which sequences are decided. Only these are compared, so that the holders, the rows and
//!    the entries read afterwards cannot lack one of them because it is too new.
//! 2. What was issued a few seconds ago by the engine's own clock is in flight: that it has no row says nothing.
//! 3. Holders, then rows, then the outbox, then once more the rows that were not there: an entry leaves the outbox only
//!    when its row is in the database. So what is in neither the outbox nor, afterwards, the rows, will not come.
//! 4. Rows beyond the count are judged by a count read after them: the engine decides first.

use std::time::Duration;

use super::findings::{Names, Strays};
use super::report::{CouponReport, DriftKind, Finding, NAMED_MAX};
use super::slice::{HeldSlice, Runs, SLICE};
use super::sources::{ROWS_PAGE, ReconcileDeps, Stop, within};
use super::watch::Watch;
use crate::domain::{Coupon, Sequence, Timestamp};
use crate::ports::EngineError;

/// One coupon under examination.
pub(super) struct CouponComparison<'a> {
    pub(super) parts: &'a ReconcileDeps,
    pub(super) coupon: &'a Coupon,
    /// For how long what is issued may be on its way.
    pub(super) settled_after: Duration,
    pub(super) report: CouponReport,
    /// The largest sequence that somebody holds.
    pub(super) highest_held: Sequence,
}

/// What is compared.
struct Scope {
    /// Every sequence up to this is decided.
    through: Sequence,
    /// What was issued after this is in flight.
    young_after: Option<Timestamp>,
}

/// One part of the sequences, compared.
struct Compared {
    held: HeldSlice,
    /// Sequences that somebody holds, that are not in flight, and that no row has.
    lost: Runs,
    strays: Strays,
}

impl<'a> CouponComparison<'a> {
    pub(super) fn of(parts: &'a ReconcileDeps, coupon: &'a Coupon, settled_after: Duration) -> Self {
        let report = CouponReport::new(coupon.id.as_str(), coupon.inventory.total());
        Self { parts, coupon, settled_after, report, highest_held: 0 }
    }

    /// Compares everything; what stops the comparison is a finding too, unless nobody could be asked.
    pub(super) async fn run(mut self, watch: &mut dyn Watch) -> Result<CouponReport, super::ReconcileError> {
        match self.compare(watch).await {
            Ok(()) => {}
            Err(Stop::Found(finding)) => {
                self.report.compared = false;
                self.report.found(finding);
            }
            Err(Stop::Failed(error)) => return Err(error),
        }
        self.report.findings.sort_by_key(|finding| finding.sequence);
        Ok(self.report)
    }

    async fn compare(&mut self, watch: &mut dyn Watch) -> Result<(), Stop> {
        self.read_quarantine().await?;
        self.report.written_off = self.parts.written_off(&self.coupon.id).await?;
        let Some(scope) = self.scope().await? else { return Ok(()) };
        self.report.outbox = self.parts.depth(&self.coupon.id).await?;
        let mut first = 1;
        while first <= scope.through {
            let last = scope.through.min(first.saturating_add(SLICE - 1));
            let compared = self.compare_slice(&scope, first, last, watch).await?;
            self.judge(compared).await?;
            first = last + 1;
        }
        // Without a count nothing is beyond it.
        if scope.young_after.is_some() {
            self.look_beyond().await?;
            self.compare_totals().await?;
        }
        Ok(())
    }

    /// What can be compared; `None` if nothing has ever been issued.
    async fn scope(&mut self) -> Result<Option<Scope>, Stop> {
        let id = &self.coupon.id;
        let asked = async { Ok::<_, Stop>(self.parts.engine.standing(id).await) };
        let standing = match within("the engine", asked).await? {
            Ok(standing) => standing,
            Err(EngineError::UnknownCoupon) => {
                let rows = within("the database", self.parts.store.highest(id)).await?;
                return if rows == 0 { Ok(None) } else { Err(EngineError::UnknownCoupon.into()) };
            }
            // An engine whose counts do not agree issues nothing, so that everything stands still.
            Err(EngineError::Corrupt(why)) => {
                self.report.found(Finding::new(DriftKind::Counts, why));
                let mut through = within("the database", self.parts.store.highest(id)).await?;
                self.parts.holders(id, |_, grant| through = through.max(grant.sequence)).await?;
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
    ) -> Result<Compared, Stop> {
        let id = &self.coupon.id;
        let mut held = HeldSlice::new(first, last);
        let (mut young_from, mut highest) = (Sequence::MAX, self.highest_held);
        self.parts
            .holders(id, |member, grant| {
                held.note(&member, grant);
                highest = highest.max(grant.sequence);
                // Times follow sequences: whatever comes after the first young one is young.
                if scope.young_after.is_some_and(|settled| grant.issued_at > settled) {
                    young_from = young_from.min(grant.sequence);
                }
            })
            .await?;
        self.highest_held = highest;
        let mut comparison = held.compare(self.coupon, self.report.room());
        let mut after = first - 1;
        while after < last {
            let page = self.parts.rows(id, after, ROWS_PAGE).await?;
            let full = page.len() == ROWS_PAGE as usize;
            after = if full { page.last().map_or(last, |row| row.sequence) } else { last };
            for row in page.iter().filter(|row| row.sequence <= last) {
                comparison.row(row);
            }
            watch.compared(id, after.min(last), scope.through);
        }
        let found = comparison.finish();
        self.report.rows += found.rows;
        self.report.participants += held.participants();
        let mut strays = Strays { rows: found.odd_rows, ..Strays::default() };
        self.report.unnamed += found.more_odd_rows;
        self.parts
            .entries(id, first, last, |entry| {
                if !held.note_entry(&entry.member, entry.grant) && strays.entries.len() < NAMED_MAX {
                    strays.entries.push(entry);
                }
            })
            .await?;
        strays.gaps = found.gaps;
        let mut old = Runs::default();
        for sequence in found.without_row.iter() {
            if sequence < young_from {
                old.push(sequence);
            } else {
                self.report.in_flight += 1;
            }
        }
        let lost = self.still_without_row(&old).await?;
        Ok(Compared { held, lost, strays })
    }

    /// Those of `sequences` that have no row now either.
    async fn still_without_row(&self, sequences: &Runs) -> Result<Runs, Stop> {
        let (mut wanted, mut without) = (sequences.iter().peekable(), Runs::default());
        while let Some(next) = wanted.peek().copied() {
            let page = self.parts.rows(&self.coupon.id, next - 1, ROWS_PAGE).await?;
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

    /// Finds a name for everything that differs.
    async fn judge(&mut self, compared: Compared) -> Result<(), Stop> {
        let Compared { held, lost, strays } = compared;
        let named: Vec<Sequence> = lost.iter().take(self.report.room()).collect();
        self.report.unnamed += lost.count() - named.len() as u64;
        let wanted = named.iter().copied().chain(strays.sequences(&held));
        let names = Names::of(self, wanted, &strays.rows).await?;
        for sequence in named {
            self.name_lost(&names, sequence, held.is_in_outbox(sequence));
        }
        self.name_strays(&names, &held, &strays);
        Ok(())
    }
}
