//! Where coupons are kept: terms, window, total, the operator's word and the secret salt.

use async_trait::async_trait;

use super::Cause;
use crate::domain::{Coupon, CouponId};

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
    Unavailable(#[source] Cause),
}

/// Keeps coupons. What is returned as done is committed: it survives any crash.
#[async_trait]
pub trait CouponCatalog: Send + Sync {
    /// Keeps a new coupon.
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError>;

    /// The coupon of this id, or [`CatalogError::Missing`]. Its `inventory.issued` is what the catalogue's database
    /// holds, which may be behind the engine.
    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError>;

    /// At most `limit` coupons in the order of their ids, those after `after`.
    async fn list(&self, after: Option<&CouponId>, limit: u32) -> Result<Vec<Coupon>, CatalogError>;

    /// Replaces terms, total, window, validity and lifecycle of a coupon that exists. Never id, salt or creation.
    async fn save(&self, coupon: &Coupon) -> Result<(), CatalogError>;
}
