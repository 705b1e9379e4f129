//! The report of a comparison, with sentences for people and fields for machines.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{IssuedCoupon, Sequence};

/// Findings of one coupon with a name; further ones are only counted.
pub(super) const NAMED_MAX: usize = 10_000;

/// The kind of a disagreement of engine, outbox and database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum DriftKind {
    /// The engine holds it, but neither database nor outbox do: it will not arrive.
    Missing,
    /// It is in the outbox, and should have been in the database for a while.
    Delayed,
    /// The database or the outbox has it, but the engine does not know it.
    Extra,
    /// The same sequence or member, but not the same issuance.
    Conflicting,
    /// A sequence without a holder, below others with one.
    Gap,
    /// Catalogue and engine have different totals.
    Total,
    /// The engine's counts and holders contradict each other.
    Counts,
    /// Not comparable: engine or database does not know the coupon, or the engine is not verified.
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

    /// The name in answers and metrics.
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
    pub kind: DriftKind,
    /// The sequence, if the finding concerns one.
    pub sequence: Option<Sequence>,
    /// The member, if one is known.
    pub member_id: Option<String>,
    /// The code, if one is known.
    pub code: Option<String>,
    /// Whether this run repaired it.
    pub repaired: bool,
    /// One sentence.
    pub detail: String,
    /// The safe repair; absent where only a person can decide.
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) remedy: Option<Remedy>,
    #[serde(skip)]
    #[schema(ignore)]
    pub(super) source: Source,
}

/// The data that contradicts the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Rows,
    Outbox,
    Quarantine,
}

/// A certainly safe repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Inserts this issuance.
    Insert(IssuedCoupon),
    /// Raises the catalogue's total to at least this.
    RaiseTotal(u32),
}

impl Finding {
    pub(super) fn new(kind: DriftKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind,
            sequence: None,
            member_id: None,
            code: None,
            repaired: false,
            detail,
            remedy: None,
            source: Source::Rows,
        }
    }

    /// The finding as one line for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut words = vec![self.kind.as_str().to_owned()];
        words.extend(self.sequence.map(|sequence| format!("sequence {sequence}")));
        words.extend(self.member_id.as_ref().map(|member| format!("member {member}")));
        words.extend(self.code.as_ref().map(|code| format!("code {code}")));
        format!("{}: {}", words.join(", "), self.detail)
    }

    /// Whether it remains and has a safe repair. After a dry run: whether a run would repair it.
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        !self.repaired && self.remedy.is_some()
    }

    pub(super) fn found_in(self, source: Source) -> Self {
        Self { source, ..self }
    }

    pub(super) fn at(self, sequence: Sequence) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    pub(super) fn about(self, issuance: &IssuedCoupon) -> Self {
        Self {
            sequence: Some(issuance.sequence),
            member_id: Some(issuance.member_id.to_string()),
            code: Some(issuance.code.to_string()),
            ..self
        }
    }
}

/// The comparison of one coupon in engine, outbox and database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CouponReport {
    pub coupon_id: String,
    /// Whether the comparison ended. Otherwise a finding names the cause, and the numbers below are incomplete.
    pub compared: bool,
    /// The total by the catalogue.
    pub total: u32,
    /// Issuances by the engine's count.
    pub issued: u32,
    /// Issued sequences with a holder in the engine.
    pub participants: u64,
    /// Entries in the outbox.
    pub outbox: u64,
    /// Issued sequences with a row in the database.
    pub rows: u64,
    /// Issuances too recent to need a row.
    pub in_flight: u64,
    /// Settled conflicts in the quarantine; they are no findings.
    pub settled: u64,
    /// Lost numbers that were written off: they have rows and no holder.
    pub written_off: u64,
    /// Disagreements, each with its details.
    pub findings: Vec<Finding>,
    /// Further disagreements, only counted.
    pub unnamed: u64,
}

impl CouponReport {
    pub(super) fn new(coupon: &str, total: u32) -> Self {
        Self { coupon_id: coupon.to_owned(), compared: true, total, ..Self::default() }
    }

    /// Adds a finding, or only counts it above [`NAMED_MAX`].
    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < NAMED_MAX {
            self.findings.push(finding);
        } else {
            self.unnamed += 1;
        }
    }

    /// The number of findings that can still be named.
    pub(super) fn remaining_capacity(&self) -> usize {
        NAMED_MAX - self.findings.len().min(NAMED_MAX)
    }

    /// Remaining disagreements.
    #[must_use]
    pub fn unrepaired(&self) -> u64 {
        self.unnamed + self.findings.iter().filter(|finding| !finding.repaired).count() as u64
    }
}

/// The report of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DriftReport {
    /// Every compared coupon.
    pub coupons: Vec<CouponReport>,
    /// Remaining disagreements.
    pub unrepaired: u64,
    /// Repaired disagreements.
    pub repaired: u64,
}

impl DriftReport {
    pub(super) fn add(&mut self, coupon: CouponReport) {
        self.unrepaired += coupon.unrepaired();
        self.repaired += coupon.findings.iter().filter(|finding| finding.repaired).count() as u64;
        self.coupons.push(coupon);
    }

    /// Remaining named disagreements of one kind.
    #[must_use]
    pub fn remaining(&self, kind: DriftKind) -> usize {
        let all = self.coupons.iter().flat_map(|coupon| &coupon.findings);
        all.filter(|finding| finding.kind == kind && !finding.repaired).count()
    }
}
