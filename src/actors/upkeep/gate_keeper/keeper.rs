//! The rounds of the gate keeper: reads the catalogue, and refreshes the coupons that may have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::GateKeeperDeps;
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::BackgroundTask as _;
use crate::actors::runtime::deadline::bounded;
use crate::domain::Standing;
use crate::fault_injection::panics;
use crate::gate::GateView;
use crate::ports::{CatalogError, EngineError};

/// A round refreshes every coupon after this time even if the engine's revision has not changed.
const FULL_ROUND: Duration = Duration::from_secs(2);
const CATALOG_PAGE: u32 = 500;

pub(super) struct Keeper {
    pub(super) deps: GateKeeperDeps,
    /// The engine's revision before the last full round.
    revision: Option<u64>,
    last_full_round: Option<Instant>,
    /// The engine's revision before the catalogue was last read.
    catalog_revision: Option<u64>,
    /// The catalogue could not be read in the last full round; a warning has been logged.
    catalog_unreadable: bool,
}

impl Keeper {
    pub(super) fn new(deps: GateKeeperDeps) -> Self {
        Self {
            deps,
            revision: None,
            last_full_round: None,
            catalog_revision: None,
            catalog_unreadable: false,
        }
    }

    /// One round: every coupon if the revision has changed or a full round is due, else only requested ones.
    pub(super) async fn round(&mut self) {
        panics::visit(GateKeeperDeps::KIND, "round");
        let started_at = Instant::now();
        let revision = bounded(self.deps.engine.revision()).await.ok();
        let is_due = self.last_full_round.is_none_or(|at| at.elapsed() >= FULL_ROUND);
        let is_full = is_due || (revision.is_some() && revision != self.revision);
        if is_full {
            let read_started_at =
                self.deps.membership.as_ref().and_then(|membership| membership.cluster_time());
            self.read_catalog().await;
            self.last_full_round = Some(Instant::now());
            self.revision = revision.or(self.revision);
            if !self.catalog_unreadable {
                self.catalog_revision = revision;
                if let Some(membership) = &self.deps.membership {
                    membership.record_catalog_read(read_started_at);
                }
            }
        }
        for handle in self.deps.registry.all() {
            if handle.take_refresh_request() || is_full {
                self.refresh(&handle).await;
            }
        }
        // A newer revision than the catalogue's may mean a total that is about to be raised.
        let is_current = revision.is_some() && revision == self.catalog_revision;
        if is_current && let Some(membership) = &self.deps.membership {
            membership.record_round(started_at);
        }
        self.deps.metrics.waiting.set(i64::try_from(self.deps.registry.waiting()).unwrap_or(i64::MAX));
        // Only after such a round does a coupon that this node does not know certainly not exist.
        if revision.is_some() && !self.catalog_unreadable {
            self.deps.registry.signal().round_done();
        }
    }

    /// Registers every coupon of the catalogue.
    async fn read_catalog(&mut self) {
        let mut after: Option<String> = None;
        let mut unreadable = HashMap::new();
        loop {
            let page = match bounded(self.deps.catalog.list(after.as_deref(), CATALOG_PAGE)).await {
                Ok(page) => page,
                Err(error) => return self.record_unreadable_catalog(&error),
            };
            self.catalog_unreadable = false;
            after = page.next;
            for coupon in page.coupons {
                self.deps.registry.ensure(coupon).await;
            }
            unreadable.extend(page.unreadable.into_iter().map(|coupon| (coupon.id, coupon.reason)));
            if after.is_none() {
                return self.deps.registry.record_unreadable(unreadable);
            }
        }
    }

    fn record_unreadable_catalog(&mut self, error: &CatalogError) {
        if !std::mem::replace(&mut self.catalog_unreadable, true) {
            tracing::warn!(%error, "the catalogue cannot be read; known coupons are still served");
        }
    }

    async fn refresh(&self, handle: &Arc<CouponHandle>) {
        let recovering = self.deps.recoveries.as_ref().filter(|recoveries| recoveries.is_open(handle.id()));
        if let Some(recoveries) = recovering {
            return recoveries.attend(handle);
        }
        let refreshed = match bounded(self.deps.engine.standing(handle.id())).await {
            Ok(standing) => self.synchronize(handle, standing).await,
            Err(error @ (EngineError::UnknownCoupon | EngineError::Fenced(_) | EngineError::Corrupt(_))) => {
                self.recover(handle, &error).await;
                Err(error)
            }
            // The gate stays as it is: sold out remains true while the engine is away.
            Err(error) => Err(error),
        };
        if let Err(error) = refreshed {
            tracing::debug!(coupon = %handle.id(), %error, "a coupon was not refreshed; a later round tries again");
        }
    }

    /// Brings catalogue, engine and gate into agreement.
    async fn synchronize(&self, handle: &CouponHandle, standing: Standing) -> Result<(), EngineError> {
        self.raise_catalog_total(handle, standing).await;
        let standing = self.push_lifecycle(handle, standing).await?;
        self.pull_lifecycle(handle, standing).await;
        self.fit_gate(handle, standing).await
    }

    /// Joins or begins the recovery of a coupon that the engine has lost, or may have.
    async fn recover(&self, handle: &Arc<CouponHandle>, error: &EngineError) {
        let Some(recoveries) = &self.deps.recoveries else { return self.halt_or_load(handle, error).await };
        // An unknown coupon may just be being created by another node.
        if matches!(error, EngineError::UnknownCoupon) && !recoveries.is_lost(handle) {
            return handle.refresh_next_round();
        }
        recoveries.attend(handle);
    }

    /// For an engine whose data and catalogue are in one database: it cannot have lost a coupon of the catalogue. If it
    /// does not know one, the node that created it died before loading it, or is just about to load it.
    async fn halt_or_load(&self, handle: &CouponHandle, error: &EngineError) {
        if !handle.gate().is_recovering() {
            tracing::warn!(coupon = %handle.id(), %error, "issuing stopped: the engine cannot decide on this coupon");
        }
        handle.gate().set(GateView::Recovering);
        if !matches!(error, EngineError::UnknownCoupon) {
            return;
        }
        let Ok(coupon) = bounded(self.deps.catalog.find(handle.id())).await else { return };
        match bounded(self.deps.engine.load(&coupon)).await {
            Ok(()) => handle.refresh_next_round(),
            Err(error) => tracing::debug!(coupon = %handle.id(), %error, "a coupon could not be loaded"),
        }
    }
}
