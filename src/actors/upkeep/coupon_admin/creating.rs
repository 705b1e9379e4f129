//! Creating a coupon: in the catalogue first, then in the engine.

use std::time::{Duration, Instant};

use super::{CouponAdmin, CouponAdminError};
use crate::clock;
use crate::domain::{CodeSalt, Coupon, CouponId, NewCoupon, Standing, Timestamp};
use crate::ports::{CatalogError, EngineError};

/// How long an operator waits for a coupon that the engine does not know yet.
const LOADED_WITHIN: Duration = Duration::from_secs(5);
/// How often it is asked whether it does.
const LOADED_POLL: Duration = Duration::from_millis(50);

impl CouponAdmin {
    /// When a coupon opens that exists already: whoever creates it again without saying when means the same.
    ///
    /// # Errors
    /// [`CouponAdminError::Unavailable`] if the catalogue cannot be asked.
    pub async fn opening(&self, id: &CouponId) -> Result<Option<Timestamp>, CouponAdminError> {
        Ok(self.in_catalog(id).await?.map(|coupon| coupon.window.opens_at()))
    }

    async fn in_catalog(&self, id: &CouponId) -> Result<Option<Coupon>, CatalogError> {
        match self.catalog.find(id).await {
            Err(CatalogError::Missing) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Creates a coupon, ready to be issued on this node when this returns. Saying the very same again is fine: the
    /// `bool` tells whether it is new.
    ///
    /// # Errors
    /// [`CouponAdminError`]; after `Unavailable` it may be repeated.
    pub async fn create(
        &self,
        new: NewCoupon,
        salt: CodeSalt,
    ) -> Result<(Coupon, Standing, bool), CouponAdminError> {
        let wanted = Coupon::create(new, salt, clock::now())?;
        self.refuse_orphan(&wanted.id).await?;
        let (coupon, is_new) = match self.catalog.create(&wanted).await {
            Ok(()) => (wanted, true),
            Err(CatalogError::Exists) => (self.existing(wanted).await?, false),
            Err(error) => return Err(error.into()),
        };
        if is_new {
            self.engine.load(&coupon).await?;
        }
        self.registry.ensure(coupon.clone()).await;
        let standing = self.standing_soon(&coupon.id).await?;
        tracing::info!(coupon = %coupon.id, total = coupon.inventory.total(), is_new, "a coupon was created");
        Ok((coupon, standing, is_new))
    }

    /// How a coupon stands. One that exists and that the engine does not know was lost, or never loaded because its creator
    /// died: the gate's keeper sees to that, and knows better than to load what may have been issued.
    async fn standing_soon(&self, id: &CouponId) -> Result<Standing, EngineError> {
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

    /// A coupon is in the catalogue before the engine hears of it, and stays there: one that the engine knows alone is left
    /// from a database that was put back to an earlier day.
    async fn refuse_orphan(&self, id: &CouponId) -> Result<(), CouponAdminError> {
        match self.engine.standing(id).await {
            Err(EngineError::UnknownCoupon) => return Ok(()),
            Ok(_) | Err(EngineError::Fenced(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if self.in_catalog(id).await?.is_some() { Ok(()) } else { Err(CouponAdminError::Orphan) }
    }

    async fn existing(&self, wanted: Coupon) -> Result<Coupon, CouponAdminError> {
        let held = self.catalog.find(&wanted.id).await?;
        let same = (&held.terms, held.window, held.valid_until, held.inventory.total())
            == (&wanted.terms, wanted.window, wanted.valid_until, wanted.inventory.total());
        if same { Ok(held) } else { Err(CouponAdminError::Exists) }
    }
}
