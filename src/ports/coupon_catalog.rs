//! Where coupons are kept: terms, window, total, the operator's word and the secret salt.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{Coupon, CouponId, Lifecycle, SalePeriod, Terms, Timestamp};

/// Why the catalogue did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The id is taken.
    #[error("a coupon of this id exists already")]
    Exists,
    /// There is none of this id.
    #[error("there is no coupon of this id")]
    Missing,
    /// The database refused it by one of its own rules.
    #[error("the database refused it: {0}")]
    Refused(String),
    /// It could not be asked, or did not answer in time. The outcome is unknown; every call may be repeated.
    #[error("the catalogue did not answer: {0}")]
    Unavailable(#[source] BoxError),
}

/// What is to be changed of a coupon; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogChange {
    /// Other terms.
    pub terms: Option<Terms>,
    /// Another window.
    pub window: Option<SalePeriod>,
    /// Another end of validity; `Some(None)` takes it away.
    pub valid_until: Option<Option<Timestamp>>,
    /// Another word of the operator.
    pub lifecycle: Option<Lifecycle>,
    /// Another total.
    pub total: Option<TotalChange>,
}

/// A change of the total, which is the ceiling that the database enforces: it must never be below the engine's, whoever
/// else changes it at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalChange {
    /// Raises it to this, unless it is higher already.
    AtLeast(u32),
    /// Makes it `new` if it is still `old`; otherwise somebody else has changed it, and it stays.
    Replace {
        /// What it was.
        old: u32,
        /// What it is to be.
        new: u32,
    },
}

impl TotalChange {
    /// The least it shall be, if that is what is asked.
    #[must_use]
    pub fn at_least(self) -> Option<u32> {
        match self {
            Self::AtLeast(total) => Some(total),
            Self::Replace { .. } => None,
        }
    }

    /// What it was and what it is to be, if that is what is asked.
    #[must_use]
    pub fn replace(self) -> Option<(u32, u32)> {
        match self {
            Self::AtLeast(_) => None,
            Self::Replace { old, new } => Some((old, new)),
        }
    }
}

/// Some of the coupons of a catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogPage {
    /// In the order of their ids.
    pub coupons: Vec<Coupon>,
    /// What no coupon can be made of: somebody has written into the database, or it is damaged.
    pub unreadable: Vec<UnreadableCoupon>,
    /// After which id the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// A coupon that is there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableCoupon {
    /// What it is called, which may be no id.
    pub id: String,
    /// What is wrong with it.
    pub why: String,
}

/// Keeps coupons. What is returned as done is committed: it survives any crash.
#[async_trait]
pub trait CouponCatalog: Send + Sync {
    /// Keeps a new coupon.
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError>;

    /// The coupon of this id, or [`CatalogError::Missing`]. Its `inventory.issued` is what the catalogue's database
    /// holds, which may be behind the engine.
    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError>;

    /// At most `limit` coupons in the order of their ids, those after `after`. One that cannot be read keeps nobody from the
    /// others.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<CatalogPage, CatalogError>;

    /// Changes a coupon that exists, in one step, and only what `change` names: two nodes may change different things of
    /// one coupon at the same time. One that is closed stays so.
    async fn change(&self, id: &CouponId, change: &CatalogChange) -> Result<(), CatalogError>;
}
