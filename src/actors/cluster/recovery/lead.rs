//! What the node with the lease does in a recovery: judge the engine, and accept it or rebuild it.

use std::sync::Arc;
use std::time::Instant;

use super::quiet::Quiet;
use super::{Recoveries, RecoveryError, within};
use crate::actors::issuing::CouponHandle;
use crate::domain::{Coupon, Sequence, counted};
use crate::ports::{EngineError, Epoch, HighWatermark, OpenRecovery};

/// Entries of an outbox carried over at a time.
const OUTBOX_PAGE: usize = 1_024;

impl Recoveries {
    /// Ends the recovery if everything needed is known; otherwise says what it waits for.
    pub(super) async fn lead(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        since: Instant,
    ) -> Result<(), RecoveryError> {
        let (id, cluster) = (handle.id(), self.parts.peers.cluster());
        // Nothing may be decided any more once the testimonies are counted.
        let epoch = within("the engine", self.parts.engine.suspend(id)).await?;
        let said = within("the database", cluster.node_reports(open, self.parts.peers.patience())).await?;
        if said.missing > 0 {
            let have = counted(said.missing.into(), "node has", "nodes have");
            return Err(RecoveryError::Waiting(format!("{have} not said what they know")));
        }
        if epoch > 0 {
            self.carry_over(handle, epoch).await?;
        }
        let highest = within("the database", self.parts.store.highest(id)).await?;
        let coupon = within("the database", self.parts.catalog.find(id)).await?;
        let evidence =
            HighWatermark { epoch: said.evidence.epoch, issued: said.evidence.issued.max(highest) };
        let (epoch, how) = match within("the engine", self.parts.engine.verify(&coupon, evidence)).await {
            Ok(epoch) => (epoch, "verified"),
            Err(RecoveryError::Engine(EngineError::Fenced(why) | EngineError::Corrupt(why))) => {
                (self.rebuild(handle, open, &coupon, evidence, highest, &why).await?, "rebuilt")
            }
            Err(RecoveryError::Engine(EngineError::UnknownCoupon)) => {
                let why = "the engine does not know it";
                (self.rebuild(handle, open, &coupon, evidence, highest, why).await?, "rebuilt")
            }
            Err(other) => return Err(other),
        };
        within("the database", cluster.end_recovery(open, epoch)).await?;
        self.parts.metrics.recovered(how);
        let after_ms = since.elapsed().as_millis();
        tracing::info!(coupon = %id, how, issued = evidence.issued, after_ms, "the engine is trusted again; the gate opens");
        Ok(())
    }

    /// Writes what is left in the engine's outbox into the database: it was decided, whatever else the engine lost.
    async fn carry_over(&self, handle: &Arc<CouponHandle>, epoch: Epoch) -> Result<(), RecoveryError> {
        let mut after: Sequence = 0;
        loop {
            let page = self.parts.engine.undelivered(handle.id(), epoch, after, OUTBOX_PAGE);
            let page = match within("the engine", page).await {
                Ok(page) => page,
                // An outbox that is none has nothing to carry over; the engine will be rebuilt.
                Err(RecoveryError::Engine(EngineError::Corrupt(why))) => {
                    tracing::warn!(coupon = %handle.id(), error = %why, "the outbox cannot be read");
                    return Ok(());
                }
                Err(other) => return Err(other),
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = last.grant.sequence;
            self.write_down(handle, &page).await?;
        }
    }

    /// Rebuilds the engine once the database holds everything that anybody knows of, and nothing more is on its way.
    async fn rebuild(
        &self,
        handle: &Arc<CouponHandle>,
        open: &OpenRecovery,
        coupon: &Coupon,
        evidence: HighWatermark,
        highest: Sequence,
        why: &str,
    ) -> Result<Epoch, RecoveryError> {
        self.wait_until_quiet(coupon, highest).await?;
        let watermark = within("the database", self.parts.store.watermark(&coupon.id, 0)).await?;
        if watermark < evidence.issued {
            self.account_for_lost(handle, open, watermark, evidence.issued).await?;
        }
        tracing::warn!(coupon = %coupon.id, %why, issued = evidence.issued.max(watermark), "the engine is rebuilt from the database");
        // Another node may come to lead meanwhile, which does no harm: of two who rebuild, the engine lets only the later
        // one finish.
        Ok(self.parts.engine.rebuild(coupon, evidence, &*self.parts.store).await?)
    }

    /// Nothing is on its way into the database any more: the queue is empty and stays so, and everybody who lives has said
    /// since then that their persisters hold nothing that was in it.
    async fn wait_until_quiet(&self, coupon: &Coupon, highest: Sequence) -> Result<(), RecoveryError> {
        let (id, cluster) = (&coupon.id, self.parts.peers.cluster());
        let backlog = within("the broker", self.parts.bus.backlog()).await?;
        if backlog > 0 {
            self.state().quiet.remove(id);
            return Err(RecoveryError::Waiting(format!(
                "{} still in the queue",
                counted(backlog, "message is", "messages are")
            )));
        }
        let before = self.state().quiet.get(id).copied().filter(|quiet| quiet.goes_on(highest));
        let quiet = match before {
            Some(quiet) => quiet,
            None => Quiet::begun(highest, within("the database", cluster.now()).await?),
        };
        self.state().quiet.insert(id.clone(), quiet);
        let busy = cluster.count_busy(quiet.told_from(), self.parts.peers.patience());
        match within("the database", busy).await? {
            0 => Ok(()),
            busy => Err(RecoveryError::Waiting(format!(
                "the persisters of {} may have something in hand that is not in the database",
                counted(busy.into(), "node", "nodes")
            ))),
        }
    }
}
