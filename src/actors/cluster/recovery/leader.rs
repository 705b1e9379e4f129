//! The part of the node with the lease in a recovery: verify the engine, or rebuild it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::empty_queue::EmptyQueue;
use super::permits::{Permit, Urgency};
use super::{Recoveries, RecoveryError, bounded};
use crate::actors::issuing::CouponHandle;
use crate::actors::runtime::deadline::bounded_by;
use crate::domain::{Coupon, Sequence, counted};
use crate::ports::{EngineError, Epoch, HighWatermark, Life, OpenRecovery, Suspension};

/// A rebuild of more issuances takes one of the permits of large rebuilds.
const LARGE: Sequence = 10_000;
const OUTBOX_PAGE: usize = 1_024;
/// Bound on counting the rows of one coupon. The count goes on from its progress in the next step.
const WATERMARK_TIMEOUT: Duration = Duration::from_secs(30);

impl Recoveries {
    /// Ends the recovery if all reports and rows are there; otherwise the error names the missing condition.
    pub(super) async fn lead(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        since: Instant,
        permit: Permit,
    ) -> Result<(), RecoveryError> {
        let (id, cluster) = (handle.id(), self.deps.membership.cluster());
        // Before the reports are counted: a decision after that would be in none of them.
        let suspension = bounded(self.deps.engine.suspend(id)).await?;
        let reports = cluster.node_reports(open, self.deps.membership.patience());
        let reports = bounded(reports).await?;
        if reports.missing > 0 {
            let missing = counted(reports.missing.into(), "node", "nodes");
            return Err(RecoveryError::Waiting(format!("the reports of {missing} are missing")));
        }
        let mut evidence = reports.evidence;
        evidence.issued = evidence.issued.max(bounded(self.deps.store.highest(id)).await?);
        let coupon = bounded(self.deps.catalog.find(id)).await?;
        // An intact engine is accepted at once: its outbox reaches the database as always.
        let verified = bounded(self.deps.engine.verify(&coupon, &suspension, evidence)).await;
        let (life, how) = match verified {
            Ok(life) => (life, "verify"),
            Err(error) => {
                let why = reason_to_rebuild(error)?;
                let urgency = Urgency::of(handle);
                let _permit = if evidence.issued > LARGE {
                    drop(permit);
                    self.large_permits.acquire(urgency).await
                } else {
                    permit
                };
                (self.rebuild(handle, open, &suspension, &coupon, &mut evidence, &why).await?, "rebuild")
            }
        };
        bounded(cluster.end_recovery(open, &life, how)).await?;
        let outcome = if how == "verify" { "verified" } else { "rebuilt" };
        self.deps.metrics.recovered(outcome);
        let after_ms = since.elapsed().as_millis();
        tracing::info!(coupon = %id, how = outcome, issued = evidence.issued, after_ms, "the engine is trusted again; the gate opens");
        Ok(())
    }

    /// Stores the rest of the engine's outbox: those issuances were decided, even if the engine lost others.
    async fn store_outbox(&self, handle: &Arc<CouponHandle>, epoch: Epoch) -> Result<(), RecoveryError> {
        let mut after: Sequence = 0;
        loop {
            let page = self.deps.engine.entries_of_epoch(handle.id(), epoch, after, OUTBOX_PAGE);
            let page = match bounded(page).await {
                Ok(page) => page,
                Err(EngineError::Corrupt(why)) => {
                    tracing::warn!(coupon = %handle.id(), error = %why, "the outbox cannot be read: the engine is rebuilt without it");
                    return Ok(());
                }
                Err(other) => return Err(other.into()),
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = last.grant.sequence;
            self.store_entries(handle, &page).await?;
        }
    }

    /// Rebuilds the engine once the database holds every known issuance and no other one is on its way there. Raises the
    /// evidence to the rows.
    async fn rebuild(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        suspension: &Suspension,
        coupon: &Coupon,
        evidence: &mut HighWatermark,
        why: &str,
    ) -> Result<Life, RecoveryError> {
        if suspension.epoch > 0 {
            self.store_outbox(handle, suspension.epoch).await?;
        }
        let highest = bounded(self.deps.store.highest(&coupon.id)).await?;
        evidence.issued = evidence.issued.max(highest);
        self.require_no_delivery(coupon, highest).await?;
        let watermark = bounded_by(WATERMARK_TIMEOUT, self.deps.store.watermark(&coupon.id, 0)).await?;
        if watermark < evidence.issued {
            self.write_off_lost(handle, open, watermark, evidence.issued).await?;
        }
        tracing::warn!(coupon = %coupon.id, %why, issued = evidence.issued.max(watermark), "the engine is rebuilt from the database");
        // The lease may pass to another node meanwhile. That is harmless: of two rebuilds the engine lets only the
        // later one finish, and that one goes on where the other stopped.
        let store = &*self.deps.store;
        let rebuilt = self.deps.engine.rebuild(coupon, open.round, suspension, *evidence, store).await;
        if matches!(rebuilt, Err(EngineError::Fenced(_))) {
            // A row below the watermark may be missing: the next step counts the rows from the first one.
            bounded(store.recount(&coupon.id)).await?;
        }
        Ok(rebuilt?)
    }

    /// Fails while a delivery may still become a row: until the queue is empty and stays so, and every living node has
    /// reported since then that its persisters hold none.
    async fn require_no_delivery(&self, coupon: &Coupon, highest: Sequence) -> Result<(), RecoveryError> {
        let (id, cluster) = (&coupon.id, self.deps.membership.cluster());
        let backlog = bounded(self.deps.bus.backlog()).await?;
        if backlog > 0 {
            self.state.lock().empty_queue.remove(id);
            return Err(RecoveryError::Waiting(format!(
                "{} still in the queue",
                counted(backlog, "message is", "messages are")
            )));
        }
        let known = self.state.lock().empty_queue.get(id).copied();
        let empty_queue = match known.filter(|known| known.is_unchanged(highest)) {
            Some(known) => known,
            None => EmptyQueue::new(highest, bounded(cluster.now()).await?),
        };
        self.state.lock().empty_queue.insert(id.clone(), empty_queue);
        let busy = cluster.count_busy(empty_queue.idle_from(), self.deps.membership.patience());
        match bounded(busy).await? {
            0 => Ok(()),
            busy => Err(RecoveryError::Waiting(format!(
                "the persisters of {} may hold messages that are not in the database",
                counted(busy.into(), "node", "nodes")
            ))),
        }
    }
}

/// The reason for which the engine has to be rebuilt, or the error of a verification that has not taken place.
fn reason_to_rebuild(error: EngineError) -> Result<String, EngineError> {
    match error {
        EngineError::Fenced(why) | EngineError::Corrupt(why) => Ok(why),
        EngineError::UnknownCoupon => Ok("the engine does not know it".to_owned()),
        other => Err(other),
    }
}
