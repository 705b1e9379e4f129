//! The catalogue of coupons: terms, sale period, total, lifecycle and secret salt.

use async_trait::async_trait;

use super::BoxError;
use crate::domain::{Coupon, CouponId, Lifecycle, SalePeriod, Terms, Timestamp};

/// Reason for which a call to the catalogue failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The id of a new coupon is taken.
    #[error("a coupon of this id exists already")]
    Exists,
    /// There is no coupon of this id.
    #[error("there is no coupon of this id")]
    Missing,
    /// A constraint of the database refused the change.
    #[error("the database refused the coupon: {0}")]
    Refused(String),
    /// The catalogue was unreachable or too slow. The outcome is unknown; every call may be repeated.
    #[error("the catalogue did not answer: {0}")]
    Unavailable(#[source] BoxError),
}

/// The changes of one call; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogChange {
    /// New terms.
    pub terms: Option<Terms>,
    /// New sale period.
    pub window: Option<SalePeriod>,
    /// New end of validity; `Some(None)` removes it.
    pub valid_until: Option<Option<Timestamp>>,
    /// New lifecycle.
    pub lifecycle: Option<Lifecycle>,
    /// New total.
    pub total: Option<TotalChange>,
}

/// A change of the total. The database enforces it as a ceiling, so it must never be below the engine's total, also
/// when several nodes change it at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalChange {
    /// Raises the total to this value, unless it is higher already.
    AtLeast(u32),
    /// Sets the total to `new` if it is still `old`, and leaves it if another call has changed it.
    Replace {
        /// Expected value.
        old: u32,
        /// New value.
        new: u32,
    },
}

impl TotalChange {
    /// The value of [`TotalChange::AtLeast`].
    #[must_use]
    pub fn at_least(self) -> Option<u32> {
        match self {
            Self::AtLeast(total) => Some(total),
            Self::Replace { .. } => None,
        }
    }

    /// The values `old` and `new` of [`TotalChange::Replace`].
    #[must_use]
    pub fn replace(self) -> Option<(u32, u32)> {
        match self {
            Self::AtLeast(_) => None,
            Self::Replace { old, new } => Some((old, new)),
        }
    }
}

/// One page of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogPage {
    /// Coupons in the order of their ids.
    pub coupons: Vec<Coupon>,
    /// Rows that are no valid coupon: edited by hand, or damaged.
    pub unreadable: Vec<UnreadableCoupon>,
    /// Last id of this page, from which the next page continues; `None` after the last page.
    pub next: Option<String>,
}

/// A row of the catalogue that is no valid coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableCoupon {
    /// Stored id, which may be invalid itself.
    pub id: String,
    /// The first defect found.
    pub reason: String,
}

/// Stores coupons. A successful call is committed and survives any crash.
#[async_trait]
pub trait CouponCatalog: Send + Sync {
    /// Stores a new coupon.
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError>;

    /// The coupon of this id, or [`CatalogError::Missing`]. Its `inventory.issued` counts the rows in the catalogue's
    /// database, which may lag behind the engine.
    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError>;

    /// At most `limit` coupons with ids above `after`, in the order of their ids. An unreadable row does not hide the
    /// others.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<CatalogPage, CatalogError>;

    /// Changes an existing coupon in one step, and only the fields in `change`, so that two nodes may change different
    /// fields at the same time. A closed coupon stays closed.
    async fn change(&self, id: &CouponId, change: &CatalogChange) -> Result<(), CatalogError>;
}
