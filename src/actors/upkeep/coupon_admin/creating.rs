//! Creates a coupon: in the catalogue first, then in the engine.

use std::time::{Duration, Instant};

use super::{CouponAdmin, CouponAdminError};
use crate::clock;
use crate::domain::{CodeSalt, Coupon, CouponId, NewCoupon, Standing, Timestamp};
use crate::ports::{CatalogError, EngineError};

/// The limit of an operator's wait for a coupon that the engine does not know yet.
const LOADED_WITHIN: Duration = Duration::from_secs(5);
const LOADED_POLL: Duration = Duration::from_millis(50);

impl CouponAdmin {
    /// The opening of an existing coupon. Creating it again without an opening keeps the existing one.
    ///
    /// # Errors
    /// [`CouponAdminError::Unavailable`] if the catalogue does not answer.
    pub async fn opens_at(&self, id: &CouponId) -> Result<Option<Timestamp>, CouponAdminError> {
        Ok(self.find_in_catalog(id).await?.map(|coupon| coupon.window.opens_at()))
    }

    async fn find_in_catalog(&self, id: &CouponId) -> Result<Option<Coupon>, CatalogError> {
        match self.catalog.find(id).await {
            Err(CatalogError::Missing) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Creates a coupon, which this node can issue when this returns. Idempotent for equal coupons: the `bool` is false
    /// if it existed.
    ///
    /// # Errors
    /// [`CouponAdminError`]; after `Unavailable` the call may be repeated.
    pub async fn create(
        &self,
        new: NewCoupon,
        salt: CodeSalt,
    ) -> Result<(Coupon, Standing, bool), CouponAdminError> {
        let wanted = Coupon::create(new, salt, clock::now())?;
        self.refuse_orphan(&wanted.id).await?;
        let (coupon, is_new) = match self.catalog.create(&wanted).await {
            Ok(()) => (wanted, true),
            Err(CatalogError::Exists) => (self.find_equal(wanted).await?, false),
            Err(error) => return Err(error.into()),
        };
        if is_new {
            self.engine.load(&coupon).await?;
        }
        self.registry.ensure(coupon.clone()).await;
        let standing = self.await_standing(&coupon.id).await?;
        tracing::info!(coupon = %coupon.id, total = coupon.inventory.total(), is_new, "a coupon was created");
        Ok((coupon, standing, is_new))
    }

    /// Waits until the engine knows the coupon. One in the catalogue alone was lost, or its creator died before loading
    /// it. The gate keeper recovers or loads it: loading here could issue a lost coupon a second time.
    async fn await_standing(&self, id: &CouponId) -> Result<Standing, EngineError> {
        let deadline = Instant::now() + LOADED_WITHIN;
        loop {
            match self.engine.standing(id).await {
                Err(EngineError::UnknownCoupon | EngineError::Fenced(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(LOADED_POLL).await;
                }
                answer => return answer,
            }
        }
    }

    /// Refuses the id of a coupon that only the engine knows. A coupon is in the catalogue first and stays there, so
    /// the database must have been restored to an earlier state.
    async fn refuse_orphan(&self, id: &CouponId) -> Result<(), CouponAdminError> {
        match self.engine.standing(id).await {
            Err(EngineError::UnknownCoupon) => return Ok(()),
            Ok(_) | Err(EngineError::Fenced(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if self.find_in_catalog(id).await?.is_some() { Ok(()) } else { Err(CouponAdminError::Orphan) }
    }

    async fn find_equal(&self, wanted: Coupon) -> Result<Coupon, CouponAdminError> {
        let held = self.catalog.find(&wanted.id).await?;
        let same = (&held.terms, held.window, held.valid_until, held.inventory.total())
            == (&wanted.terms, wanted.window, wanted.valid_until, wanted.inventory.total());
        if same { Ok(held) } else { Err(CouponAdminError::Exists) }
    }
}
