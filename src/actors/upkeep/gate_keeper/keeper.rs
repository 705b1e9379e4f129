//! The keeper's logic, without the actor around it: what the engine says of each coupon, and the gate that fits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{GateKeeperDeps, KIND};
use crate::actors::issuing::CouponHandle;
use crate::clock;
use crate::domain::{Lifecycle, Reconfiguration, Rejection, Standing, Timestamp};
use crate::fault_injection::panics;
use crate::gate::{GateView, WinnerFilter};
use crate::ports::{BoxError, CatalogChange, CatalogError, EngineError, TotalChange};

/// How often everything is looked at even if nothing seems to have changed.
const FULL_ROUND: Duration = Duration::from_secs(2);
/// How long one question may take before the round goes on without it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Coupons read from the catalogue at a time.
const CATALOG_PAGE: u32 = 500;

/// Keeps the gates of one node.
pub(super) struct Keeper {
    pub(super) parts: GateKeeperDeps,
    /// The engine's revision when everything was last looked at.
    pub(super) revision: Option<u64>,
    pub(super) looked_at_all: Option<Instant>,
    /// The engine's revision when the catalogue was last read.
    pub(super) catalog_revision: Option<u64>,
    /// Whether the catalogue could not be read the last time, which has been told then.
    pub(super) catalog_silent: bool,
}

impl Keeper {
    /// Once around: everything if something changed or it is time, else only what wants a look.
    pub(super) async fn round(&mut self) {
        panics::visit(KIND, "round");
        let begun = Instant::now();
        let revision = within(self.parts.engine.revision()).await.ok();
        let due = self.looked_at_all.is_none_or(|at| at.elapsed() >= FULL_ROUND);
        let all = due || (revision.is_some() && revision != self.revision);
        if all {
            let since = self.parts.peers.as_ref().and_then(|peers| peers.reading());
            self.read_catalog().await;
            self.looked_at_all = Some(Instant::now());
            self.revision = revision.or(self.revision);
            if !self.catalog_silent {
                self.catalog_revision = revision;
                if let Some(peers) = &self.parts.peers {
                    peers.has_read(since);
                }
            }
        }
        for handle in self.parts.registry.all() {
            if handle.take_refresh_request() || all {
                self.look(&handle).await;
            }
        }
        // What has changed since the catalogue was read may be a total that is about to be raised.
        let knows_all = revision.is_some() && revision == self.catalog_revision;
        if let (Some(peers), true) = (&self.parts.peers, knows_all) {
            peers.has_looked(begun);
        }
        self.parts.metrics.waiting.set(i64::try_from(self.parts.registry.waiting()).unwrap_or(i64::MAX));
        // Only then is what this node does not know certain not to exist.
        if revision.is_some() && !self.catalog_silent {
            self.parts.registry.signal().round_done();
        }
    }

    /// Takes every coupon of the catalogue into the registry.
    async fn read_catalog(&mut self) {
        let (mut after, mut unreadable): (Option<String>, _) = (None, HashMap::new());
        loop {
            match timeout(QUESTION_TIMEOUT, self.parts.catalog.list(after.as_deref(), CATALOG_PAGE)).await {
                Ok(Ok(page)) => {
                    self.catalog_silent = false;
                    after = page.next;
                    for coupon in page.coupons {
                        self.parts.registry.ensure(coupon).await;
                    }
                    unreadable.extend(page.unreadable.into_iter().map(|coupon| (coupon.id, coupon.why)));
                    if after.is_none() {
                        return self.parts.registry.record_unreadable(unreadable);
                    }
                }
                Ok(Err(error)) => return self.catalog_is_silent(&error.to_string()),
                Err(_elapsed) => return self.catalog_is_silent("no answer in time"),
            }
        }
    }

    fn catalog_is_silent(&mut self, why: &str) {
        if !std::mem::replace(&mut self.catalog_silent, true) {
            tracing::warn!(error = %why, "the catalogue cannot be read; known coupons go on being served");
        }
    }

    async fn look(&self, handle: &Arc<CouponHandle>) {
        let doubted = self.parts.recoveries.as_ref().filter(|recoveries| recoveries.is_open(handle.id()));
        if let Some(recoveries) = doubted {
            return recoveries.attend(handle);
        }
        let looked = match within(self.parts.engine.standing(handle.id())).await {
            Ok(standing) => self.fit(handle, standing).await,
            Err(error @ (EngineError::UnknownCoupon | EngineError::Fenced(_) | EngineError::Corrupt(_))) => {
                self.doubt(handle, &error).await;
                Err(error)
            }
            // The gate stays as it is: sold out remains true while the engine is away.
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            tracing::debug!(coupon = %handle.id(), %error, "a coupon could not be looked at");
        }
    }

    /// Fits catalogue, engine and gate to one another.
    async fn fit(&self, handle: &CouponHandle, standing: Standing) -> Result<(), EngineError> {
        self.raise_catalog_total(handle, standing).await;
        let standing = self.push_lifecycle(handle, standing).await?;
        self.pull_lifecycle(handle, standing).await;
        self.fit_gate(handle, standing).await
    }

    /// Operators tell only the catalogue of a pause or a close while the engine is being recovered, and whoever recovered it
    /// may have read the catalogue just before. So it is read once more before the gate opens after a recovery. A close is
    /// final: the engine is told of it whenever it has not heard of it. A pause is not, because somebody may be resuming
    /// the coupon, who tells the engine first.
    async fn push_lifecycle(
        &self,
        handle: &CouponHandle,
        standing: Standing,
    ) -> Result<Standing, EngineError> {
        let known = handle.coupon().lifecycle;
        let word = if handle.gate().is_recovering() {
            match timeout(QUESTION_TIMEOUT, self.parts.catalog.find(handle.id())).await {
                Ok(Ok(coupon)) => coupon.lifecycle,
                Ok(Err(error)) => return self.not_yet(handle, error.into()),
                Err(elapsed) => return self.not_yet(handle, elapsed.into()),
            }
        } else if known == Lifecycle::Closed {
            known
        } else {
            return Ok(standing);
        };
        if word <= standing.lifecycle {
            return Ok(standing);
        }
        let change = Reconfiguration { lifecycle: Some(word), ..Reconfiguration::default() };
        let obeyed = within(self.parts.engine.reconfigure(handle.id(), change)).await;
        let (coupon, lifecycle) = (handle.id(), word.as_str());
        match &obeyed {
            Ok(_) => {
                tracing::warn!(%coupon, lifecycle, "the engine had not heard of the operator's word, and is told");
            }
            Err(error) => {
                tracing::warn!(%coupon, lifecycle, %error, "the engine has not heard of the operator's word, and cannot be told");
            }
        }
        Ok(obeyed?.unwrap_or(standing))
    }

    /// The gate stays closed until the catalogue can be asked.
    fn not_yet(&self, handle: &CouponHandle, cause: BoxError) -> Result<Standing, EngineError> {
        handle.refresh_next_round();
        Err(EngineError::Unavailable(cause))
    }

    /// An engine that has lost a coupon, or may have, is recovered by all nodes together.
    async fn doubt(&self, handle: &Arc<CouponHandle>, error: &EngineError) {
        let Some(recoveries) = &self.parts.recoveries else { return self.halt_or_load(handle, error).await };
        // Another node may just be creating it.
        if matches!(error, EngineError::UnknownCoupon) && !recoveries.is_lost(handle) {
            return handle.refresh_next_round();
        }
        recoveries.attend(handle);
    }

    /// An engine that keeps its data where the catalogue is cannot have lost a coupon that is there. If it does not know
    /// one, then whoever created it died between the two, or is just about to load it.
    async fn halt_or_load(&self, handle: &CouponHandle, error: &EngineError) {
        if !handle.gate().is_recovering() {
            tracing::warn!(coupon = %handle.id(), %error, "nothing is issued of a coupon that the engine does not vouch for");
        }
        handle.gate().set(GateView::Recovering);
        if !matches!(error, EngineError::UnknownCoupon) {
            return;
        }
        let found = timeout(QUESTION_TIMEOUT, self.parts.catalog.find(handle.id())).await;
        let Ok(Ok(coupon)) = found else { return };
        match within(self.parts.engine.load(&coupon)).await {
            Ok(()) => handle.refresh_next_round(),
            Err(error) => tracing::debug!(coupon = %handle.id(), %error, "a coupon could not be loaded"),
        }
    }

    /// The database refuses what is above the catalogue's total. Two nodes that change the total at the same moment may
    /// leave it below the engine's, and then it is lifted here.
    async fn raise_catalog_total(&self, handle: &CouponHandle, standing: Standing) {
        let (ceiling, total) = (handle.coupon().inventory.total(), standing.inventory.total());
        if ceiling < total {
            let change =
                CatalogChange { total: Some(TotalChange::AtLeast(total)), ..CatalogChange::default() };
            let lifted = timeout(QUESTION_TIMEOUT, self.parts.catalog.change(handle.id(), &change)).await;
            let coupon = handle.id();
            match answered(lifted) {
                Ok(()) => {
                    tracing::warn!(%coupon, ceiling, total, "the catalogue's total was below the engine's, and is lifted");
                }
                Err(error) => {
                    tracing::warn!(%coupon, ceiling, total, %error, "the catalogue's total is below the engine's, and cannot be lifted");
                }
            }
        }
    }

    /// A pause or a close of which the catalogue was not told, because it was away or the call was given up, would be
    /// forgotten if the engine were rebuilt from it. Seen twice in a row it is no call that is just being carried out.
    async fn pull_lifecycle(&self, handle: &CouponHandle, standing: Standing) {
        let behind = standing.lifecycle > handle.coupon().lifecycle;
        if !handle.is_still_lagging(behind) {
            return;
        }
        let change = CatalogChange { lifecycle: Some(standing.lifecycle), ..CatalogChange::default() };
        let told = timeout(QUESTION_TIMEOUT, self.parts.catalog.change(handle.id(), &change)).await;
        let (coupon, lifecycle) = (handle.id(), standing.lifecycle.as_str());
        match answered(told) {
            Ok(()) => {
                tracing::warn!(%coupon, lifecycle, "the catalogue had not heard of the operator's word, and is told");
            }
            Err(error) => {
                tracing::warn!(%coupon, lifecycle, %error, "the catalogue has not heard of the operator's word, and cannot be told");
            }
        }
    }

    async fn fit_gate(&self, handle: &CouponHandle, standing: Standing) -> Result<(), EngineError> {
        match standing.rejection() {
            None => handle.gate().set(GateView::Open),
            Some(Rejection::NotOpen) => handle.gate().set(before_the_opening(standing, clock::now())),
            // Somebody is about to raise the total: from now on only the engine says that it is sold out.
            Some(Rejection::SoldOut) if handle.coupon().inventory.total() > standing.inventory.total() => {
                handle.gate().set(GateView::Open);
            }
            Some(rejection) => self.halt(handle, standing, rejection).await?,
        }
        handle.record_standing(standing);
        if let Some(recoveries) = &self.parts.recoveries {
            recoveries.settle(handle.id()).await;
        }
        Ok(())
    }

    /// Lets only winners pass. Until all of them are known, everybody passes and the engine says no by itself.
    async fn halt(
        &self,
        handle: &CouponHandle,
        standing: Standing,
        rejection: Rejection,
    ) -> Result<(), EngineError> {
        let issued = standing.inventory.issued() as usize;
        let gate = handle.gate();
        if gate.halted() == Some(rejection) && gate.winners() == issued {
            return Ok(());
        }
        let winners = self.winners(handle).await?;
        if winners.len() == issued {
            gate.set(GateView::Halted { rejection, winners });
        } else {
            // Somebody changed the coupon while it was read: the next round reads it again.
            gate.set(GateView::Open);
            handle.refresh_next_round();
        }
        Ok(())
    }

    async fn winners(&self, handle: &CouponHandle) -> Result<WinnerFilter, EngineError> {
        let (mut members, mut cursor) = (HashSet::new(), 0);
        loop {
            let page = within(self.parts.engine.holders(handle.id(), cursor)).await?;
            members.extend(page.holders.into_iter().map(|(member, _)| member));
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(WinnerFilter::of(members.iter())),
            }
        }
    }
}

/// What fits a coupon whose window has not begun, at `here` by this node's clock. If some are issued, the engine's clock has
/// been set back: it tells holders what they hold and says "not open" to the others by itself.
fn before_the_opening(standing: Standing, here: Timestamp) -> GateView {
    if standing.inventory.issued() > 0 {
        return GateView::Open;
    }
    let wait = standing.window.opens_at().ms_since(standing.now);
    GateView::NotOpen { opens_at_here: here.plus_ms(i64::try_from(wait).unwrap_or(i64::MAX)) }
}

/// What the catalogue said, or why it said nothing.
fn answered<T>(answer: Result<Result<T, CatalogError>, Elapsed>) -> Result<(), String> {
    match answer {
        Ok(told) => told.map(drop).map_err(|error| error.to_string()),
        Err(_elapsed) => Err("no answer in time".to_owned()),
    }
}

async fn within<T>(question: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    timeout(QUESTION_TIMEOUT, question)
        .await
        .unwrap_or_else(|_| Err(EngineError::Unavailable("no answer in time".into())))
}

#[cfg(test)]
mod tests {
    use super::{GateView, Standing, Timestamp, before_the_opening};
    use crate::domain::{Inventory, Lifecycle, SalePeriod};

    #[test]
    fn a_window_that_begins_again_after_a_clock_was_set_back_shuts_nobody_out() {
        let at = Timestamp::from_ms;
        let standing = |issued| Standing {
            inventory: Inventory::with_issued(3, issued).unwrap(),
            window: SalePeriod::new(at(500), None).unwrap(),
            lifecycle: Lifecycle::Active,
            now: at(200),
        };
        let before = before_the_opening(standing(0), at(1_000));
        assert!(matches!(before, GateView::NotOpen { opens_at_here } if opens_at_here == at(1_300)));
        assert!(matches!(before_the_opening(standing(1), at(1_000)), GateView::Open));
    }
}
