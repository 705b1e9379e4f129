//! The part of the node with the lease in a recovery: verify the engine, or rebuild it.

use std::sync::Arc;
use std::time::Instant;

use super::empty_queue::EmptyQueue;
use super::{Recoveries, RecoveryError, bounded};
use crate::actors::issuing::CouponHandle;
use crate::domain::{Coupon, Sequence, counted};
use crate::ports::{EngineError, Epoch, HighWatermark, OpenRecovery};

const OUTBOX_PAGE: usize = 1_024;

impl Recoveries {
    /// Ends the recovery if all reports and rows are there; otherwise the error names the missing condition.
    pub(super) async fn lead(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        since: Instant,
    ) -> Result<(), RecoveryError> {
        let (id, cluster) = (handle.id(), self.deps.membership.cluster());
        // Before the reports are counted: a decision after that would be in none of them.
        let epoch = bounded(self.deps.engine.suspend(id)).await?;
        let reports = cluster.node_reports(open, self.deps.membership.patience());
        let reports = bounded(reports).await?;
        if reports.missing > 0 {
            let missing = counted(reports.missing.into(), "node", "nodes");
            return Err(RecoveryError::Waiting(format!("the reports of {missing} are missing")));
        }
        if epoch > 0 {
            self.store_outbox(handle, epoch).await?;
        }
        let highest = bounded(self.deps.store.highest(id)).await?;
        let coupon = bounded(self.deps.catalog.find(id)).await?;
        let evidence =
            HighWatermark { epoch: reports.evidence.epoch, issued: reports.evidence.issued.max(highest) };
        let verified = bounded(self.deps.engine.verify(&coupon, evidence)).await;
        let (epoch, outcome) = match verified {
            Ok(epoch) => (epoch, "verified"),
            Err(EngineError::Fenced(why) | EngineError::Corrupt(why)) => {
                (self.rebuild(handle, open, &coupon, evidence, highest, &why).await?, "rebuilt")
            }
            Err(EngineError::UnknownCoupon) => {
                let why = "the engine does not know it";
                (self.rebuild(handle, open, &coupon, evidence, highest, why).await?, "rebuilt")
            }
            Err(other) => return Err(other.into()),
        };
        bounded(cluster.end_recovery(open, epoch)).await?;
        self.deps.metrics.recovered(outcome);
        let after_ms = since.elapsed().as_millis();
        tracing::info!(coupon = %id, how = outcome, issued = evidence.issued, after_ms, "the engine is trusted again; the gate opens");
        Ok(())
    }

    /// Stores the rest of the engine's outbox: those issuances were decided, even if the engine lost others.
    async fn store_outbox(&self, handle: &Arc<CouponHandle>, epoch: Epoch) -> Result<(), RecoveryError> {
        let mut after: Sequence = 0;
        loop {
            let page = self.deps.engine.undelivered(handle.id(), epoch, after, OUTBOX_PAGE);
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

    /// Rebuilds the engine once the database holds every known issuance and no other one is on its way there.
    async fn rebuild(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        coupon: &Coupon,
        evidence: HighWatermark,
        highest: Sequence,
        why: &str,
    ) -> Result<Epoch, RecoveryError> {
        self.require_no_delivery(coupon, highest).await?;
        let watermark = bounded(self.deps.store.watermark(&coupon.id, 0)).await?;
        if watermark < evidence.issued {
            self.write_off_lost(handle, open, watermark, evidence.issued).await?;
        }
        tracing::warn!(coupon = %coupon.id, %why, issued = evidence.issued.max(watermark), "the engine is rebuilt from the database");
        // The lease may pass to another node meanwhile. That is harmless: of two rebuilds the engine lets only the
        // later one finish.
        Ok(self.deps.engine.rebuild(coupon, evidence, &*self.deps.store).await?)
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
