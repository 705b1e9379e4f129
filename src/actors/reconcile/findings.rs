//! From sequences and rows that differ to findings that name coupon, member, sequence and code.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::sleep;

use super::comparison::CouponComparison;
use super::report::{DriftKind, Finding, NAMED_MAX, Place, Remedy};
use super::slice::{HeldSlice, Runs, is_genuine};
use super::sources::{Stop, within};
use crate::domain::{Grant, IssuanceStatus, IssuedCoupon, MemberId, Sequence};
use crate::ports::{KeptConflict, OutboxEntry, WhichConflicts};

/// How often totals that differ are looked at before that is drift: somebody may be changing them.
const TOTAL_LOOKS: u32 = 3;
/// How long to wait in between.
const TOTAL_PAUSE: Duration = Duration::from_millis(300);

/// What does not fit the engine, and is to be named.
#[derive(Default)]
pub(super) struct Strays {
    pub(super) rows: Vec<IssuedCoupon>,
    pub(super) entries: Vec<OutboxEntry>,
    pub(super) gaps: Runs,
}

impl Strays {
    /// The sequences whose holders are to be named.
    pub(super) fn sequences<'a>(&'a self, held: &'a HeldSlice) -> impl Iterator<Item = Sequence> + 'a {
        let entries = self.entries.iter().map(|entry| entry.grant.sequence);
        entries.chain(held.doubled.iter().copied().take(NAMED_MAX))
    }
}

/// Who holds some sequences in the engine, and what some members hold there.
#[derive(Default)]
pub(super) struct Names {
    by_sequence: BTreeMap<Sequence, BTreeMap<MemberId, Grant>>,
    by_member: HashMap<MemberId, Grant>,
}

impl Names {
    /// Reads who holds these, and what the members of `rows` hold; asks nobody if there is nothing to ask.
    pub(super) async fn of(
        examination: &CouponComparison<'_>,
        sequences: impl Iterator<Item = Sequence>,
        rows: &[IssuedCoupon],
    ) -> Result<Self, Stop> {
        let wanted: BTreeSet<Sequence> = sequences.chain(rows.iter().map(|row| row.sequence)).collect();
        let members: HashSet<&MemberId> = rows.iter().map(|row| &row.member_id).collect();
        let mut names = Self::default();
        if !wanted.is_empty() {
            let see = |member: MemberId, grant: Grant| {
                if members.contains(&member) {
                    names.by_member.insert(member.clone(), grant);
                }
                if wanted.contains(&grant.sequence) {
                    names.by_sequence.entry(grant.sequence).or_default().insert(member, grant);
                }
            };
            examination.parts.holders(&examination.coupon.id, see).await?;
        }
        Ok(names)
    }

    fn holder(&self, sequence: Sequence) -> Option<(&MemberId, Grant)> {
        self.by_sequence.get(&sequence)?.iter().next().map(|(member, grant)| (member, *grant))
    }
}

impl CouponComparison<'_> {
    fn issuance(&self, member: &MemberId, grant: Grant) -> IssuedCoupon {
        IssuedCoupon {
            coupon_id: self.coupon.id.clone(),
            code: self.coupon.salt.code(&self.coupon.id, member),
            member_id: member.clone(),
            sequence: grant.sequence,
            status: IssuanceStatus::Unused,
            issued_at: grant.issued_at,
        }
    }

    /// Names what somebody holds and no row has.
    pub(super) fn name_lost(&mut self, names: &Names, sequence: Sequence, is_in_outbox: bool) {
        // Nobody holds it any more: the engine began another life meanwhile, and the next run sees what it has.
        let Some((member, grant)) = names.holder(sequence) else { return };
        let issuance = self.issuance(member, grant);
        let (kind, detail) = if is_in_outbox {
            (DriftKind::Delayed, "it is in the outbox, but should have been in the database by now")
        } else {
            (DriftKind::Missing, "the engine holds it, but neither the outbox nor the database")
        };
        let finding = Finding::new(kind, detail).about(&issuance);
        self.report.found(Finding { remedy: Some(Remedy::Insert(issuance)), ..finding });
    }

    /// Names what does not fit the engine.
    pub(super) fn name_strays(&mut self, names: &Names, held: &HeldSlice, strays: &Strays) {
        for row in &strays.rows {
            self.name_row(names, row);
        }
        for OutboxEntry { member, grant, .. } in &strays.entries {
            let (kind, held) = match names.holder(grant.sequence) {
                Some((holder, _)) => (DriftKind::Conflicting, format!("is held by {holder}")),
                None => (DriftKind::Extra, "is held by nobody".to_owned()),
            };
            let detail = format!("the outbox has it, but in the engine this sequence {held}");
            let finding = Finding::new(kind, detail).found_in(Place::Outbox);
            self.report.found(finding.about(&self.issuance(member, *grant)));
        }
        for sequence in &held.doubled {
            let holders = names.by_sequence.get(sequence).into_iter().flat_map(BTreeMap::keys);
            let holders = holders.map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            let detail = format!("in the engine this sequence is held by {holders}");
            self.report.found(Finding::new(DriftKind::Conflicting, detail).at(*sequence));
        }
        let gaps: Vec<Sequence> = strays.gaps.iter().take(self.report.room()).collect();
        self.report.unnamed += strays.gaps.count() - gaps.len() as u64;
        for sequence in gaps {
            let detail = "nobody holds this sequence, neither in the engine nor in the database";
            self.report.found(Finding::new(DriftKind::Gap, detail).at(sequence));
        }
    }

    /// Names a row that the engine does not hold just so.
    fn name_row(&mut self, names: &Names, row: &IssuedCoupon) {
        let own = names.by_member.get(&row.member_id).copied();
        let grant = Grant { sequence: row.sequence, issued_at: row.issued_at };
        let holder = names.holder(row.sequence).filter(|(member, _)| **member != row.member_id);
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
        self.report.found(Finding::new(kind, detail).about(row));
    }

    /// Looks for rows and holders with a sequence above everything that is issued.
    pub(super) async fn look_beyond(&mut self) -> Result<(), Stop> {
        let id = &self.coupon.id;
        let highest = within("the database", self.parts.store.highest(id)).await?;
        let issued = within("the engine", self.parts.engine.standing(id)).await?.inventory.issued();
        if self.highest_held > issued {
            let detail =
                format!("the engine says that {issued} are issued, but somebody holds this sequence");
            self.report.found(Finding::new(DriftKind::Counts, detail).at(self.highest_held));
        }
        if highest <= issued {
            return Ok(());
        }
        let limit = u32::try_from(self.report.room()).unwrap_or(u32::MAX);
        let rows = self.parts.rows(id, issued, limit).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.sequence <= highest).collect();
        let names = Names::of(self, std::iter::empty(), &rows).await?;
        for row in &rows {
            self.report.rows += 1;
            self.name_row(&names, row);
        }
        Ok(())
    }

    /// Compares the catalogue's total, which is the ceiling that the database enforces, with the engine's.
    pub(super) async fn compare_totals(&mut self) -> Result<(), Stop> {
        let id = &self.coupon.id;
        for look in 1..=TOTAL_LOOKS {
            let kept = within("the catalogue", self.parts.catalog.find(id)).await?.inventory.total();
            let standing = within("the engine", self.parts.engine.standing(id)).await?;
            let total = standing.inventory.total();
            self.report.total = kept;
            if kept == total {
                return Ok(());
            }
            if look < TOTAL_LOOKS {
                sleep(TOTAL_PAUSE).await;
                continue;
            }
            let detail = format!("the catalogue says that {kept} exist, the engine {total}");
            // The database refuses what is above the catalogue's total, so that a lower one keeps rows from arriving.
            let remedy = (kept < total).then_some(Remedy::RaiseTotal(total));
            self.report.found(Finding { remedy, ..Finding::new(DriftKind::Total, detail) });
        }
        Ok(())
    }

    /// Names what the database keeps apart because it contradicts a row, and counts what operators have settled of it.
    pub(super) async fn read_quarantine(&mut self) -> Result<(), Stop> {
        let limit = u32::try_from(NAMED_MAX).unwrap_or(u32::MAX);
        let coupon = Some(self.coupon.id.clone());
        let which = WhichConflicts { coupon, are_settled: false, after: 0, limit };
        let quarantine = &self.parts.quarantine;
        self.report.settled = within("the database", quarantine.count_settled(&self.coupon.id)).await?;
        for KeptConflict { conflict, .. } in within("the database", quarantine.conflicts(&which)).await? {
            let detail = format!("it arrived and is in the quarantine: {}", conflict.held);
            let finding = Finding::new(DriftKind::Conflicting, detail).found_in(Place::Quarantine);
            self.report.found(finding.about(&conflict.arrived));
        }
        Ok(())
    }
}

/// What the engine says instead of a row.
fn contradiction(row: &IssuedCoupon, holder: Option<(&MemberId, Grant)>, own: Option<Grant>) -> String {
    let (sequence, member) = (row.sequence, &row.member_id);
    let holder = holder
        .map(|(holder, grant)| format!("sequence {sequence} is held by {holder} since {}", grant.issued_at));
    let own = own.map(|own| format!("{member} holds sequence {} since {}", own.sequence, own.issued_at));
    let said: Vec<String> = holder.into_iter().chain(own).collect();
    format!("the database has it, issued at {}; in the engine {}", row.issued_at, said.join(" and "))
}
