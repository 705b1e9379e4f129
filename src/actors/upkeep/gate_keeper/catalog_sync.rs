//! Agreement of catalogue and engine: lifecycle in both directions, and a catalogue's total that is too low.

use super::keeper::Keeper;
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::deadline::bounded;
use crate::domain::{Lifecycle, Reconfiguration, Standing};
use crate::ports::{CatalogChange, EngineError, TotalChange};

impl Keeper {
    /// Applies a stricter lifecycle of the catalogue to the engine.
    ///
    /// During a recovery a pause or a close is written into the catalogue alone, perhaps just after the leader has read
    /// it. So the catalogue is read once more before the gate opens. Outside recoveries only a close is applied,
    /// because it is final: a pause in the catalogue may be older than a resume, which reaches the engine first.
    pub(super) async fn push_lifecycle(
        &self,
        handle: &CouponHandle,
        standing: Standing,
    ) -> Result<Standing, EngineError> {
        let known = handle.coupon().lifecycle;
        let lifecycle = if handle.gate().is_recovering() {
            match bounded(self.deps.catalog.find(handle.id())).await {
                Ok(coupon) => coupon.lifecycle,
                // The gate stays closed until the catalogue answers.
                Err(error) => {
                    handle.refresh_next_round();
                    return Err(EngineError::Unavailable(error.into()));
                }
            }
        } else if known == Lifecycle::Closed {
            known
        } else {
            return Ok(standing);
        };
        if lifecycle <= standing.lifecycle {
            return Ok(standing);
        }
        let change = Reconfiguration { lifecycle: Some(lifecycle), ..Reconfiguration::default() };
        let pushed = bounded(self.deps.engine.reconfigure(handle.id(), change)).await;
        let (coupon, lifecycle) = (handle.id(), lifecycle.as_str());
        match &pushed {
            Ok(_) => {
                tracing::warn!(%coupon, lifecycle, "the engine's lifecycle was stale: updated from the catalogue");
            }
            Err(error) => {
                tracing::warn!(%coupon, lifecycle, %error, "the engine's lifecycle is stale and cannot be updated; the next round tries again");
            }
        }
        Ok(pushed?.unwrap_or(standing))
    }

    /// Applies a stricter lifecycle of the engine to the catalogue, since a rebuild of the engine would lose it
    /// otherwise. It is seen in two rounds in a row first: once may be an operator's change that is just being written.
    pub(super) async fn pull_lifecycle(&self, handle: &CouponHandle, standing: Standing) {
        let is_lagging = standing.lifecycle > handle.coupon().lifecycle;
        if !handle.is_still_lagging(is_lagging) {
            return;
        }
        let change = CatalogChange { lifecycle: Some(standing.lifecycle), ..CatalogChange::default() };
        let (coupon, lifecycle) = (handle.id(), standing.lifecycle.as_str());
        match bounded(self.deps.catalog.change(coupon, &change)).await {
            Ok(()) => {
                tracing::warn!(%coupon, lifecycle, "the catalogue's lifecycle was stale: updated from the engine");
            }
            Err(error) => {
                tracing::warn!(%coupon, lifecycle, %error, "the catalogue's lifecycle is stale and cannot be updated; a later round tries again");
            }
        }
    }

    /// Raises a catalogue's total below the engine's, which two operators at two nodes may leave behind: the database
    /// refuses rows above it.
    pub(super) async fn raise_catalog_total(&self, handle: &CouponHandle, standing: Standing) {
        let (catalog_total, total) = (handle.coupon().inventory.total(), standing.inventory.total());
        if catalog_total >= total {
            return;
        }
        let change = CatalogChange { total: Some(TotalChange::AtLeast(total)), ..CatalogChange::default() };
        let coupon = handle.id();
        match bounded(self.deps.catalog.change(coupon, &change)).await {
            Ok(()) => {
                tracing::warn!(%coupon, catalog_total, total, "the catalogue's total was below the engine's: raised");
            }
            Err(error) => {
                tracing::warn!(%coupon, catalog_total, total, %error, "the catalogue's total is below the engine's and cannot be raised; a later round tries again");
            }
        }
    }
}
