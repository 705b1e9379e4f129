//! What a comparison found, in words for people and fields for machines.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{IssueCode, IssuedCoupon, MemberId, Sequence};

/// The most findings of one coupon that are told by name; more are counted.
pub(super) const NAMED_MAX: usize = 10_000;

/// In what way engine, outbox and database disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum DriftKind {
    /// The engine holds it, but neither the database nor the outbox: nothing will bring it.
    Missing,
    /// It is in the outbox, and should have been in the database for a while.
    Delayed,
    /// The database or the outbox has what the engine does not know.
    Extra,
    /// The same sequence or member, but not the same issuance.
    Conflicting,
    /// A sequence that nobody holds, below others that are held.
    Gap,
    /// The catalogue's total is not the engine's.
    Total,
    /// What the engine counts does not fit what it holds.
    Counts,
    /// It could not be compared: engine or database does not know it, or the engine has not been verified.
    NotCompared,
}

impl DriftKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Delayed,
        Self::Extra,
        Self::Conflicting,
        Self::Gap,
        Self::Total,
        Self::Counts,
        Self::NotCompared,
    ];

    /// The word for it in answers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Delayed => "delayed",
            Self::Extra => "extra",
            Self::Conflicting => "conflicting",
            Self::Gap => "gap",
            Self::Total => "total",
            Self::Counts => "counts",
            Self::NotCompared => "not_compared",
        }
    }
}

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// In what way they disagree.
    pub kind: DriftKind,
    /// The sequence it is about, if it is about one.
    pub sequence: Option<Sequence>,
    /// The member it is about, if one is known.
    pub member_id: Option<String>,
    /// The code it is about, if one is known.
    pub code: Option<String>,
    /// Whether it has been put right.
    pub repaired: bool,
    /// One sentence.
    pub detail: String,
    /// How it can be put right; absent where only a person can decide.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) remedy: Option<Remedy>,
    /// Where it was found.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) place: Place,
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between the engine and the rows.
    Rows,
    /// In the outbox.
    Outbox,
    /// In the quarantine.
    Quarantine,
}

/// What puts a disagreement right without a doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// This issuance is to be written.
    Insert(IssuedCoupon),
    /// The catalogue's total is to be at least this.
    RaiseTotal(u32),
}

impl Finding {
    pub(super) fn new(kind: DriftKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let (sequence, member_id, code, remedy) = (None, None, None, None);
        Self { kind, sequence, member_id, code, repaired: false, detail, remedy, place: Place::Rows }
    }

    /// What it says, as one line for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut words = vec![self.kind.as_str().to_owned()];
        words.extend(self.sequence.map(|sequence| format!("sequence {sequence}")));
        words.extend(self.member_id.as_ref().map(|member| format!("member {member}")));
        words.extend(self.code.as_ref().map(|code| format!("code {code}")));
        format!("{}: {}", words.join(", "), self.detail)
    }

    /// Whether it is left as it was and can be put right without a doubt. After a dry run: whether it would be repaired.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        !self.repaired && self.remedy.is_some()
    }

    pub(super) fn found_in(self, place: Place) -> Self {
        Self { place, ..self }
    }

    pub(super) fn at(self, sequence: Sequence) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    pub(super) fn of(self, member: &MemberId, code: &IssueCode) -> Self {
        Self { member_id: Some(member.to_string()), code: Some(code.to_string()), ..self }
    }

    pub(super) fn about(self, issuance: &IssuedCoupon) -> Self {
        self.at(issuance.sequence).of(&issuance.member_id, &issuance.code)
    }
}

/// How one coupon stands in engine, outbox and database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CouponReport {
    /// Which coupon.
    pub coupon_id: String,
    /// Whether engine, outbox and rows were compared to the end. Otherwise a finding says why not, and the numbers below are
    /// only as far as it got.
    pub compared: bool,
    /// How many exist by the catalogue.
    pub total: u32,
    /// How many are issued by the engine's count.
    pub issued: u32,
    /// How many of these somebody holds in the engine.
    pub participants: u64,
    /// Entries in the outbox.
    pub outbox: u64,
    /// How many of those issued are rows in the database.
    pub rows: u64,
    /// Issued so short a time ago that their rows are not expected yet.
    pub in_flight: u64,
    /// Contradictions in the quarantine that operators have settled; they are no findings.
    pub settled: u64,
    /// Lost numbers that an operator had written off: they have rows, and nobody holds them.
    pub written_off: u64,
    /// Where they disagree.
    pub findings: Vec<Finding>,
    /// Disagreements beyond those that are told by name.
    pub unnamed: u64,
}

impl CouponReport {
    pub(super) fn new(coupon: &str, total: u32) -> Self {
        Self {
            coupon_id: coupon.to_owned(),
            compared: true,
            total,
            issued: 0,
            participants: 0,
            outbox: 0,
            rows: 0,
            in_flight: 0,
            settled: 0,
            written_off: 0,
            findings: Vec::new(),
            unnamed: 0,
        }
    }

    /// Takes a finding, or only counts it if there are too many.
    pub(super) fn found(&mut self, finding: Finding) {
        if self.findings.len() < NAMED_MAX {
            self.findings.push(finding);
        } else {
            self.unnamed += 1;
        }
    }

    /// How many more findings can be named.
    pub(super) fn room(&self) -> usize {
        NAMED_MAX - self.findings.len().min(NAMED_MAX)
    }

    /// Disagreements that remain.
    #[must_use]
    pub fn unrepaired(&self) -> u64 {
        self.unnamed + self.findings.iter().filter(|finding| !finding.repaired).count() as u64
    }
}

/// What a run found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DriftReport {
    /// Every coupon that was looked at.
    pub coupons: Vec<CouponReport>,
    /// Disagreements that remain.
    pub unrepaired: u64,
    /// Disagreements that have been put right.
    pub repaired: u64,
}

impl DriftReport {
    pub(super) fn add(&mut self, coupon: CouponReport) {
        self.unrepaired += coupon.unrepaired();
        self.repaired += coupon.findings.iter().filter(|finding| finding.repaired).count() as u64;
        self.coupons.push(coupon);
    }

    /// How many disagreements of each kind remain; those without a name are left out.
    #[must_use]
    pub fn remaining(&self, kind: DriftKind) -> usize {
        let all = self.coupons.iter().flat_map(|coupon| &coupon.findings);
        all.filter(|finding| finding.kind == kind && !finding.repaired).count()
    }
}
