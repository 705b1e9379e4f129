//! Findings: each names coupon, member, sequence and code of a difference.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::sleep;

use super::comparison::CouponComparison;
use super::report::{DriftKind, Finding, NAMED_MAX, Remedy, Source};
use super::slice::{HeldSlice, Runs, is_genuine};
use super::sources::{CompareError, bounded};
use crate::domain::{Grant, IssuedCoupon, MemberId, Sequence};
use crate::ports::{ConflictFilter, KeptConflict, OutboxEntry};

/// Different totals are drift only after this many reads: an operator may be changing them.
const TOTAL_READS: u32 = 3;
const TOTAL_PAUSE: Duration = Duration::from_millis(300);

/// Rows, outbox entries and gaps that contradict the engine.
#[derive(Default)]
pub(super) struct Mismatches {
    pub(super) rows: Vec<IssuedCoupon>,
    pub(super) entries: Vec<OutboxEntry>,
    pub(super) gaps: Runs,
}

impl Mismatches {
    /// The sequences for which the findings name the holders.
    pub(super) fn sequences<'a>(&'a self, held: &'a HeldSlice) -> impl Iterator<Item = Sequence> + 'a {
        let entries = self.entries.iter().map(|entry| entry.grant.sequence);
        entries.chain(held.held_twice.iter().copied().take(NAMED_MAX))
    }
}

/// The engine's holders of some sequences, and the grants of some members.
#[derive(Default)]
pub(super) struct Holders {
    by_sequence: BTreeMap<Sequence, BTreeMap<MemberId, Grant>>,
    by_member: HashMap<MemberId, Grant>,
}

impl Holders {
    /// Reads the holders of `sequences`, and the grants of the members of `rows`; asks nothing for empty ones.
    pub(super) async fn read(
        comparison: &CouponComparison<'_>,
        sequences: impl Iterator<Item = Sequence>,
        rows: &[IssuedCoupon],
    ) -> Result<Self, CompareError> {
        let wanted: BTreeSet<Sequence> = sequences.chain(rows.iter().map(|row| row.sequence)).collect();
        let members: HashSet<&MemberId> = rows.iter().map(|row| &row.member_id).collect();
        let mut holders = Self::default();
        if !wanted.is_empty() {
            let visit = |member: MemberId, grant: Grant| {
                if members.contains(&member) {
                    holders.by_member.insert(member.clone(), grant);
                }
                if wanted.contains(&grant.sequence) {
                    holders.by_sequence.entry(grant.sequence).or_default().insert(member, grant);
                }
            };
            comparison.deps.holders(&comparison.coupon.id, visit).await?;
        }
        Ok(holders)
    }

    fn holder_of(&self, sequence: Sequence) -> Option<(&MemberId, Grant)> {
        self.by_sequence.get(&sequence)?.iter().next().map(|(member, grant)| (member, *grant))
    }
}

impl CouponComparison<'_> {
    /// Reports a sequence that has a holder and no row.
    pub(super) fn report_without_row(&mut self, holders: &Holders, sequence: Sequence, is_in_outbox: bool) {
        // Without a holder the engine was rebuilt meanwhile: the next run compares its new state.
        let Some((member, grant)) = holders.holder_of(sequence) else { return };
        let issuance = self.coupon.issuance(member, grant);
        let (kind, detail) = if is_in_outbox {
            (DriftKind::Delayed, "it is in the outbox, but should have been in the database by now")
        } else {
            (DriftKind::Missing, "the engine holds it, but neither the outbox nor the database")
        };
        let finding = Finding::new(kind, detail).about(&issuance);
        self.report.add(Finding { remedy: Some(Remedy::Insert(issuance)), ..finding });
    }

    pub(super) fn report_mismatches(&mut self, holders: &Holders, held: &HeldSlice, mismatches: &Mismatches) {
        for row in &mismatches.rows {
            self.report_row(holders, row);
        }
        for OutboxEntry { member, grant, .. } in &mismatches.entries {
            let (kind, held) = match holders.holder_of(grant.sequence) {
                Some((holder, _)) => (DriftKind::Conflicting, format!("is held by {holder}")),
                None => (DriftKind::Extra, "has no holder".to_owned()),
            };
            let detail = format!("the outbox has it, but in the engine this sequence {held}");
            let finding = Finding::new(kind, detail).found_in(Source::Outbox);
            self.report.add(finding.about(&self.coupon.issuance(member, *grant)));
        }
        for sequence in &held.held_twice {
            let names = holders.by_sequence.get(sequence).into_iter().flat_map(BTreeMap::keys);
            let names = names.map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let detail = format!("in the engine this sequence is held by {names}");
            self.report.add(Finding::new(DriftKind::Conflicting, detail).at(*sequence));
        }
        let gaps: Vec<Sequence> = mismatches.gaps.iter().take(self.report.remaining_capacity()).collect();
        self.report.unnamed += mismatches.gaps.count() - gaps.len() as u64;
        for sequence in gaps {
            let detail = "this sequence has no holder, neither in the engine nor in the database";
            self.report.add(Finding::new(DriftKind::Gap, detail).at(sequence));
        }
    }

    /// Reports a row that contradicts the engine.
    fn report_row(&mut self, holders: &Holders, row: &IssuedCoupon) {
        let own = holders.by_member.get(&row.member_id).copied();
        let grant = Grant { sequence: row.sequence, issued_at: row.issued_at };
        let holder = holders.holder_of(row.sequence).filter(|(member, _)| **member != row.member_id);
        let genuine = is_genuine(self.coupon, row);
        let (kind, mut detail) = match (holder, own) {
            (None, Some(own)) if own == grant && genuine => (
                DriftKind::Counts,
                "engine and database have it, but the engine counts fewer than that".to_owned(),
            ),
            (None, None) => (
                DriftKind::Extra,
                "the database has it, but the engine knows neither sequence nor member".to_owned(),
            ),
            (holder, own) => (DriftKind::Conflicting, contradiction(row, holder, own)),
        };
        if !genuine {
            detail.push_str("; its code is not the one that coupon and member give");
        }
        self.report.add(Finding::new(kind, detail).about(row));
    }

    /// Reports rows and holders above the engine's count.
    pub(super) async fn compare_above_count(&mut self) -> Result<(), CompareError> {
        let id = &self.coupon.id;
        let highest = bounded(self.deps.store.highest(id)).await?;
        let issued = bounded(self.deps.engine.standing(id)).await?.inventory.issued();
        if self.highest_held > issued {
            let detail = format!("the engine says that {issued} are issued, but this sequence has a holder");
            self.report.add(Finding::new(DriftKind::Counts, detail).at(self.highest_held));
        }
        if highest <= issued {
            return Ok(());
        }
        let limit = u32::try_from(self.report.remaining_capacity()).unwrap_or(u32::MAX);
        let rows = self.deps.rows(id, issued, limit).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.sequence <= highest).collect();
        let holders = Holders::read(self, std::iter::empty(), &rows).await?;
        for row in &rows {
            self.report.rows += 1;
            self.report_row(&holders, row);
        }
        Ok(())
    }

    /// Compares the catalogue's total, above which the database refuses rows, with the engine's.
    pub(super) async fn compare_totals(&mut self) -> Result<(), CompareError> {
        let id = &self.coupon.id;
        for read in 1..=TOTAL_READS {
            let kept = bounded(self.deps.catalog.find(id)).await?.inventory.total();
            let standing = bounded(self.deps.engine.standing(id)).await?;
            let total = standing.inventory.total();
            self.report.total = kept;
            if kept == total {
                return Ok(());
            }
            if read < TOTAL_READS {
                sleep(TOTAL_PAUSE).await;
                continue;
            }
            let detail = format!("the catalogue says that {kept} exist, the engine {total}");
            // A catalogue's total that is too low keeps rows out; one that is too high may be an operator's decision.
            let remedy = (kept < total).then_some(Remedy::RaiseTotal(total));
            self.report.add(Finding { remedy, ..Finding::new(DriftKind::Total, detail) });
        }
        Ok(())
    }

    /// Reports the conflicts in the quarantine, and counts the settled ones.
    pub(super) async fn read_quarantine(&mut self) -> Result<(), CompareError> {
        let limit = u32::try_from(NAMED_MAX).unwrap_or(u32::MAX);
        let coupon = Some(self.coupon.id.clone());
        let filter = ConflictFilter { coupon, are_settled: false, after: 0, limit };
        let quarantine = &self.deps.quarantine;
        self.report.settled = bounded(quarantine.count_settled(&self.coupon.id)).await?;
        for KeptConflict { conflict, .. } in bounded(quarantine.conflicts(&filter)).await? {
            let detail = format!("it arrived and is in the quarantine: {}", conflict.held);
            let finding = Finding::new(DriftKind::Conflicting, detail).found_in(Source::Quarantine);
            self.report.add(finding.about(&conflict.arrived));
        }
        Ok(())
    }
}

/// The engine's data that contradicts a row, as a sentence.
fn contradiction(row: &IssuedCoupon, holder: Option<(&MemberId, Grant)>, own: Option<Grant>) -> String {
    let (sequence, member) = (row.sequence, &row.member_id);
    let holder = holder
        .map(|(holder, grant)| format!("sequence {sequence} is held by {holder} since {}", grant.issued_at));
    let own = own.map(|own| format!("{member} holds sequence {} since {}", own.sequence, own.issued_at));
    let held: Vec<String> = holder.into_iter().chain(own).collect();
    format!("the database has it, issued at {}; in the engine {}", row.issued_at, held.join(" and "))
}
