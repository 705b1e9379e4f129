//! Operators' changes of coupons: create, amend, pause, resume, close. The order of the writes is chosen so that a
//! crash between two of them never lets the engine issue a coupon that the catalogue would refuse.

mod creating;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponRegistry;
use crate::domain::{Amendment, AmendmentError, Coupon, CouponId, Lifecycle, Reconfiguration, Standing};
use crate::gate::GateView;
use crate::ports::{AdmissionEngine, CatalogChange, CatalogError, CouponCatalog, EngineError, TotalChange};

/// The cause of a change that was not made.
#[derive(Debug, thiserror::Error)]
pub enum CouponAdminError {
    #[error("there is no coupon of this id")]
    Missing,
    #[error("a coupon of this id exists already, with other terms")]
    Exists,
    /// The catalogue lacks a coupon that the engine has. Its members hold codes from a salt that is lost, so a new
    /// coupon of the id would contradict them.
    #[error(
        "the engine still holds a coupon of this id, which the database does not know: restore the database further, or \
         use another id"
    )]
    Orphan,
    #[error(transparent)]
    Rule(#[from] AmendmentError),
    #[error("the database refused the coupon: {0}")]
    Refused(String),
    /// Nothing was changed; the call may be repeated.
    #[error("the engine is being verified")]
    Recovering,
    /// The outcome is unknown; the call may be repeated.
    #[error("the outcome is unknown: {0}")]
    Unavailable(String),
}

impl From<CatalogError> for CouponAdminError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Exists => Self::Exists,
            CatalogError::Missing => Self::Missing,
            CatalogError::Refused(why) => Self::Refused(why),
            CatalogError::Unavailable(cause) => Self::Unavailable(cause.to_string()),
        }
    }
}

impl From<EngineError> for CouponAdminError {
    fn from(error: EngineError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[derive(Clone)]
pub struct CouponAdmin {
    catalog: Arc<dyn CouponCatalog>,
    engine: Arc<dyn AdmissionEngine>,
    registry: Arc<CouponRegistry>,
    /// Absent on an engine of a single node.
    membership: Option<Arc<Membership>>,
    /// A change reads, checks and writes in several steps: on one node, one change at a time.
    one_at_a_time: Arc<Mutex<()>>,
}

impl CouponAdmin {
    #[must_use]
    pub fn new(
        catalog: Arc<dyn CouponCatalog>,
        engine: Arc<dyn AdmissionEngine>,
        registry: Arc<CouponRegistry>,
        membership: Option<Arc<Membership>>,
    ) -> Self {
        Self { catalog, engine, registry, membership, one_at_a_time: Arc::default() }
    }

    /// Runs one change to its end, even if the client hangs up: members would see half a change.
    async fn run_to_end<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, CouponAdminError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CouponAdminError>> + Send + 'static,
    {
        let one_at_a_time = Arc::clone(&self.one_at_a_time);
        let change = change(self.clone());
        let task = tokio::spawn(async move {
            let _guard = one_at_a_time.lock().await;
            change.await
        });
        task.await.unwrap_or_else(|error| Err(CouponAdminError::Unavailable(error.to_string())))
    }

    /// Changes total, terms, sale period or validity.
    ///
    /// # Errors
    /// [`CouponAdminError`]; a forbidden amendment changes nothing.
    pub async fn amend(
        &self,
        id: CouponId,
        amendment: Amendment,
    ) -> Result<(Coupon, Standing), CouponAdminError> {
        self.run_to_end(|admin| async move { admin.amend_now(&id, &amendment).await }).await
    }

    async fn amend_now(
        &self,
        id: &CouponId,
        amendment: &Amendment,
    ) -> Result<(Coupon, Standing), CouponAdminError> {
        let coupon = self.catalog.find(id).await?;
        let standing = self.engine.standing(id).await?;
        let coupon_total = coupon.inventory.total();
        let amended = Coupon { lifecycle: standing.lifecycle, ..coupon }.amend(amendment, &standing)?;
        let change = Reconfiguration { total: amendment.total, window: amendment.window, lifecycle: None };
        // The database refuses rows above the catalogue's total. So that total rises first and falls last. It is raised
        // once more afterwards, because another node may have lowered it in between.
        let raised_total = amendment.total.filter(|total| *total > standing.inventory.total());
        let raise = raised_total.map(|total| CatalogChange {
            total: Some(TotalChange::AtLeast(total)),
            ..CatalogChange::default()
        });
        if let Some(raise) = &raise {
            self.catalog.change(id, raise).await?;
            self.open_gate(id);
            self.await_gates().await?;
        }
        let standing = self.engine.reconfigure(id, change).await??;
        let lowered_total = amendment.total.filter(|_| raise.is_none());
        let change = CatalogChange {
            terms: amendment.terms.clone(),
            window: amendment.window,
            valid_until: amendment.valid_until,
            lifecycle: None,
            total: match lowered_total {
                Some(new) => Some(TotalChange::Replace { old: coupon_total, new }),
                None => raised_total.map(TotalChange::AtLeast),
            },
        };
        self.catalog.change(id, &change).await?;
        self.publish_change(amended, standing, "amended").await
    }

    /// Pauses, resumes or closes; idempotent. During a recovery there is no standing: a pause or a close takes effect
    /// when the recovery ends, and a resume is refused.
    ///
    /// # Errors
    /// [`CouponAdminError`]; a closed coupon stays closed.
    pub async fn set_lifecycle(
        &self,
        id: CouponId,
        lifecycle: Lifecycle,
    ) -> Result<(Coupon, Option<Standing>), CouponAdminError> {
        self.run_to_end(move |admin| async move { admin.set_lifecycle_now(&id, lifecycle).await }).await
    }

    async fn set_lifecycle_now(
        &self,
        id: &CouponId,
        lifecycle: Lifecycle,
    ) -> Result<(Coupon, Option<Standing>), CouponAdminError> {
        // A pause must act at once, so with a coupon that this node knows it needs no answer but the engine's.
        let coupon = match self.registry.find(id) {
            Some(handle) => (*handle.coupon()).clone(),
            None => self.catalog.find(id).await?,
        };
        let change = Reconfiguration { lifecycle: Some(lifecycle), ..Reconfiguration::default() };
        let standing = match self.engine.reconfigure(id, change).await {
            Ok(standing) => standing?,
            Err(EngineError::Fenced(_) | EngineError::UnknownCoupon) => {
                return self.stop_in_recovery(id, lifecycle).await;
            }
            Err(error) => return Err(error.into()),
        };
        let coupon = Coupon { lifecycle, ..coupon };
        // After a failure the operator repeats the call; the gate keeper repeats a pause or a close by itself.
        self.catalog
            .change(id, &CatalogChange { lifecycle: Some(lifecycle), ..CatalogChange::default() })
            .await?;
        let (coupon, standing) = self.publish_change(coupon, standing, lifecycle.as_str()).await?;
        Ok((coupon, Some(standing)))
    }

    /// Writes a pause or a close into the catalogue alone, since the engine takes no change during a recovery. The
    /// recovery applies the stricter lifecycle of both. If it read the catalogue just before, the gate keeper reads it
    /// once more before it opens this node's gate. If the recovery has ended meanwhile, the engine takes the change
    /// now.
    async fn stop_in_recovery(
        &self,
        id: &CouponId,
        lifecycle: Lifecycle,
    ) -> Result<(Coupon, Option<Standing>), CouponAdminError> {
        if lifecycle == Lifecycle::Active {
            return Err(CouponAdminError::Recovering);
        }
        let coupon = self.catalog.find(id).await?;
        if coupon.lifecycle > lifecycle {
            return Err(AmendmentError::Closed.into());
        }
        let change = CatalogChange { lifecycle: Some(lifecycle), ..CatalogChange::default() };
        self.catalog.change(id, &change).await?;
        let coupon = Coupon { lifecycle, ..coupon };
        self.registry.ensure(coupon.clone()).await.refresh_now();
        tracing::info!(coupon = %id, what = lifecycle.as_str(), "a coupon was changed while it is being recovered");
        let change = Reconfiguration { lifecycle: Some(lifecycle), ..Reconfiguration::default() };
        match self.engine.reconfigure(id, change).await {
            Ok(standing) => Ok((coupon, Some(standing?))),
            Err(EngineError::Fenced(_) | EngineError::UnknownCoupon) => Ok((coupon, None)),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens this node's gate before the engine issues again, so that it rejects no holder of a new coupon.
    fn open_gate(&self, id: &CouponId) {
        if let Some(handle) = self.registry.find(id) {
            handle.gate().set(GateView::Open);
        }
    }

    /// Waits until no node says "sold out" by itself any more: one could say so to a holder of a new coupon, who got it
    /// through another node.
    async fn await_gates(&self) -> Result<(), CouponAdminError> {
        let Some(membership) = &self.membership else { return Ok(()) };
        membership
            .await_catalog_read()
            .await
            .map_err(|error| CouponAdminError::Unavailable(error.to_string()))
    }

    /// Makes a change visible on this node before the operator's next request.
    async fn publish_change(
        &self,
        coupon: Coupon,
        standing: Standing,
        what: &'static str,
    ) -> Result<(Coupon, Standing), CouponAdminError> {
        let handle = self.registry.ensure(coupon.clone()).await;
        handle.refresh_now();
        self.registry.signal().fresh_round().await;
        tracing::info!(coupon = %coupon.id, what, total = standing.inventory.total(), "a coupon was changed");
        Ok((coupon, standing))
    }

    /// A coupon and its standing; `None` during a recovery.
    ///
    /// # Errors
    /// [`CouponAdminError::Missing`], or `Unavailable`.
    pub async fn show(&self, id: &CouponId) -> Result<(Arc<Coupon>, Option<Standing>), CouponAdminError> {
        let handle = self.registry.find_or_refresh(id).await;
        let handle =
            handle.map_err(|_| CouponAdminError::Unavailable("the catalogue cannot be read".to_owned()))?;
        let handle = handle.ok_or(CouponAdminError::Missing)?;
        if let Some(standing) = handle.fresh_standing() {
            return Ok((handle.coupon(), Some(standing)));
        }
        match self.engine.standing(id).await {
            Ok(standing) => {
                handle.record_standing(standing);
                Ok((handle.coupon(), Some(standing)))
            }
            Err(EngineError::Fenced(_) | EngineError::UnknownCoupon) => Ok((handle.coupon(), None)),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of coupons in the order of their ids, each as by [`CouponAdmin::show`], and the id after which the next
    /// page begins. Unreadable coupons are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<(Arc<Coupon>, Option<Standing>)>, Option<String>), CouponAdminError> {
        let page = self.catalog.list(after, limit).await?;
        let mut shown = Vec::with_capacity(page.coupons.len());
        for coupon in page.coupons {
            let id = coupon.id.clone();
            self.registry.ensure(coupon).await;
            shown.push(self.show(&id).await?);
        }
        Ok((shown, page.next))
    }
}
