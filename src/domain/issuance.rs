//! An issued coupon, its status, and its ack levels.

use super::code::IssueCode;
use super::ids::{CouponId, MemberId};
use super::inventory::Sequence;
use super::time::Timestamp;

/// The status of an issued coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuanceStatus {
    /// It can be redeemed.
    Unused,
    /// It has been redeemed.
    Used,
    /// Its validity has ended.
    Expired,
}

impl IssuanceStatus {
    /// The status as stored and answered.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "UNUSED",
            Self::Used => "USED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Parses a stored status.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unused, Self::Used, Self::Expired].into_iter().find(|status| status.as_str() == text)
    }
}

/// How far an issuance has got when its member is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AckLevel {
    /// The engine made it durable.
    Granted,
    /// The broker confirmed it.
    Queued,
    /// The database committed it.
    Persisted,
}

impl AckLevel {
    /// The level as written in answers and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Queued => "queued",
            Self::Persisted => "persisted",
        }
    }

    /// Parses a level.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Granted, Self::Queued, Self::Persisted].into_iter().find(|level| level.as_str() == text)
    }
}

/// One coupon issued to one member, identified by its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCoupon {
    /// The coupon.
    pub coupon_id: CouponId,
    /// The holder.
    pub member_id: MemberId,
    /// The number of the issuance, from 1.
    pub sequence: Sequence,
    /// The secret by which the member redeems the coupon.
    pub code: IssueCode,
    /// Redeemed, expired or neither.
    pub status: IssuanceStatus,
    /// The time of the engine's decision.
    pub issued_at: Timestamp,
}

#[cfg(test)]
impl IssuedCoupon {
    /// An unused issuance of 1970 for unit tests.
    pub(crate) fn sample(coupon: &str, member: &str, sequence: Sequence) -> Self {
        let (coupon_id, member_id) = (CouponId::parse(coupon).unwrap(), MemberId::parse(member).unwrap());
        let code = super::code::CodeSalt::from_bytes([1; 32]).code(&coupon_id, &member_id);
        let issued_at = Timestamp::from_ms(1_000);
        Self { coupon_id, member_id, sequence, code, status: IssuanceStatus::Unused, issued_at }
    }
}
