//! What operators do with coupons: create, change, pause, resume, close. The order of writing is chosen so that a crash
//! in between never lets the engine issue what the catalogue would refuse.

mod creating;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::actors::cluster::Membership;
use crate::actors::issuing::CouponRegistry;
use crate::domain::{Amendment, AmendmentError, Coupon, CouponId, Lifecycle, Reconfiguration, Standing};
use crate::gate::GateView;
use crate::ports::{AdmissionEngine, CatalogChange, CatalogError, CouponCatalog, EngineError, TotalChange};

/// Why an operator's wish was not done.
#[derive(Debug, thiserror::Error)]
pub enum CouponAdminError {
    /// There is no such coupon.
    #[error("there is no coupon of this id")]
    Missing,
    /// Another coupon has the id.
    #[error("a coupon of this id exists already, with other terms")]
    Exists,
    /// The engine decides on a coupon of this id that the catalogue lacks. What it issued was told with codes that nobody can
    /// make again.
    #[error(
        "the engine still holds a coupon of this id, which the database does not know: put the database back as it was, \
         or take another id"
    )]
    Orphan,
    /// A rule of the domain forbids it.
    #[error(transparent)]
    Rule(#[from] AmendmentError),
    /// The database forbids it.
    #[error("the database refused the coupon: {0}")]
    Refused(String),
    /// The engine is being recovered: nothing was done, it may be repeated.
    #[error("the engine is being verified")]
    Recovering,
    /// Nobody knows whether it is done; it may be repeated.
    #[error("not everything answered: {0}")]
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

/// Carries out what operators wish.
#[derive(Clone)]
pub struct CouponAdmin {
    catalog: Arc<dyn CouponCatalog>,
    engine: Arc<dyn AdmissionEngine>,
    registry: Arc<CouponRegistry>,
    /// This node among the others, if there can be any.
    peers: Option<Arc<Membership>>,
    /// A change is read, judged and written in several steps: on one node, one change at a time.
    one_at_a_time: Arc<Mutex<()>>,
}

impl CouponAdmin {
    /// A desk over this catalogue and engine.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn CouponCatalog>,
        engine: Arc<dyn AdmissionEngine>,
        registry: Arc<CouponRegistry>,
        peers: Option<Arc<Membership>>,
    ) -> Self {
        Self { catalog, engine, registry, peers, one_at_a_time: Arc::default() }
    }

    /// Runs one change to its end, even if whoever asked for it has hung up: half a change would be seen by members.
    async fn undisturbed<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, CouponAdminError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CouponAdminError>> + Send + 'static,
    {
        let turn = Arc::clone(&self.one_at_a_time);
        let change = change(self.clone());
        let task = tokio::spawn(async move {
            let _turn = turn.lock().await;
            change.await
        });
        task.await.unwrap_or_else(|error| Err(CouponAdminError::Unavailable(error.to_string())))
    }

    /// Changes total, terms, window or validity.
    ///
    /// # Errors
    /// [`CouponAdminError`]; a rule that forbids it changes nothing.
    pub async fn amend(
        &self,
        id: CouponId,
        amendment: Amendment,
    ) -> Result<(Coupon, Standing), CouponAdminError> {
        self.undisturbed(|desk| async move { desk.amend_now(&id, &amendment).await }).await
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
        // The catalogue's total is the ceiling the database enforces: it rises first and sinks last. It is raised once
        // more afterwards, in case another node has lowered it in between.
        let rises = amendment.total.filter(|total| *total > standing.inventory.total());
        let raised = rises.map(|total| CatalogChange {
            total: Some(TotalChange::AtLeast(total)),
            ..CatalogChange::default()
        });
        if let Some(raised) = &raised {
            self.catalog.change(id, raised).await?;
            self.expect_more(id);
            self.everybody_expects_more().await?;
        }
        let standing = self.engine.reconfigure(id, change).await??;
        let lowered = amendment.total.filter(|_| raised.is_none());
        let saved = CatalogChange {
            terms: amendment.terms.clone(),
            window: amendment.window,
            valid_until: amendment.valid_until,
            lifecycle: None,
            total: match lowered {
                Some(new) => Some(TotalChange::Replace { old: coupon_total, new }),
                None => rises.map(TotalChange::AtLeast),
            },
        };
        self.catalog.change(id, &saved).await?;
        self.changed(amended, standing, "amended").await
    }

    /// Pauses, resumes or closes. Repeating it is fine. While the engine is being recovered there is no standing: a pause or
    /// a close holds from when it is trusted again, and a resume is refused.
    ///
    /// # Errors
    /// [`CouponAdminError`]; a closed coupon stays closed.
    pub async fn set_lifecycle(
        &self,
        id: CouponId,
        lifecycle: Lifecycle,
    ) -> Result<(Coupon, Option<Standing>), CouponAdminError> {
        self.undisturbed(move |desk| async move { desk.set_lifecycle_now(&id, lifecycle).await }).await
    }

    async fn set_lifecycle_now(
        &self,
        id: &CouponId,
        lifecycle: Lifecycle,
    ) -> Result<(Coupon, Option<Standing>), CouponAdminError> {
        // What this node knows is enough, so that a pause needs nothing but the engine: it must act at once.
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
        // Should this fail, the operator is told so; the keeper makes up for a pause or a close.
        self.catalog
            .change(id, &CatalogChange { lifecycle: Some(lifecycle), ..CatalogChange::default() })
            .await?;
        let (coupon, standing) = self.changed(coupon, standing, lifecycle.as_str()).await?;
        Ok((coupon, Some(standing)))
    }

    /// Tells the catalogue of a pause or a close, because the engine cannot be told. A recovery takes the stricter word of
    /// both; if it had read the catalogue before, then this node has not gone on yet, and its keeper reads it once more
    /// before it opens the gate. If this node has gone on meanwhile, the engine can be told by now.
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
        let told = CatalogChange { lifecycle: Some(lifecycle), ..CatalogChange::default() };
        self.catalog.change(id, &told).await?;
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

    /// Opens this node's gate before the engine may issue again, so that nobody who gets one meanwhile is turned away.
    fn expect_more(&self, id: &CouponId) {
        if let Some(handle) = self.registry.find(id) {
            handle.gate().set(GateView::Open);
        }
    }

    /// Waits until no node says "sold out" by itself any more: else one could tell it to somebody who gets one of the new
    /// coupons through another node.
    async fn everybody_expects_more(&self) -> Result<(), CouponAdminError> {
        let Some(peers) = &self.peers else { return Ok(()) };
        peers.await_catalog_read().await.map_err(|error| CouponAdminError::Unavailable(error.to_string()))
    }

    async fn changed(
        &self,
        coupon: Coupon,
        standing: Standing,
        what: &'static str,
    ) -> Result<(Coupon, Standing), CouponAdminError> {
        let handle = self.registry.ensure(coupon.clone()).await;
        handle.refresh_now();
        // The operator's next question on this node should already see the change.
        self.registry.signal().fresh_round().await;
        tracing::info!(coupon = %coupon.id, what, total = standing.inventory.total(), "a coupon was changed");
        Ok((coupon, standing))
    }

    /// A coupon and how it stands now; `None` while its engine is being recovered.
    ///
    /// # Errors
    /// [`CouponAdminError::Missing`], or `Unavailable`.
    pub async fn show(&self, id: &CouponId) -> Result<(Arc<Coupon>, Option<Standing>), CouponAdminError> {
        let found = self.registry.find_or_refresh(id).await;
        let found =
            found.map_err(|_| CouponAdminError::Unavailable("the catalogue cannot be read".to_owned()))?;
        let handle = found.ok_or(CouponAdminError::Missing)?;
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

    /// Coupons in the order of their ids, each as [`CouponAdmin::show`] gives it, and after which id the next page begins.
    /// Those that cannot be read are left out.
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
