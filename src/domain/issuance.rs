//! A coupon in a member's hands.

use super::code::IssueCode;
use super::ids::{CouponId, MemberId};
use super::inventory::Sequence;
use super::time::Timestamp;

/// What has become of an issued coupon.
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
    /// The word it is stored and answered as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "UNUSED",
            Self::Used => "USED",
            Self::Expired => "EXPIRED",
        }
    }

    /// Reads the word it is stored as.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unused, Self::Used, Self::Expired].into_iter().find(|status| status.as_str() == text)
    }
}

/// How safe an issuance was when the member was told of it.
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
    /// The word for it in answers and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Queued => "queued",
            Self::Persisted => "persisted",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Granted, Self::Queued, Self::Persisted].into_iter().find(|level| level.as_str() == text)
    }
}

/// One coupon issued to one member. Its code is its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCoupon {
    /// Which coupon.
    pub coupon_id: CouponId,
    /// Who holds it.
    pub member_id: MemberId,
    /// Its place in the order of issuing, from 1.
    pub sequence: Sequence,
    /// What the member shows to redeem it.
    pub code: IssueCode,
    /// What has become of it.
    pub status: IssuanceStatus,
    /// When the engine decided.
    pub issued_at: Timestamp,
}
