//! What every node does in a recovery: stop, write down what it told members, say what it knows, wait, go on.

use std::sync::Arc;

use super::{Open, Recoveries, RecoveryError, within};
use crate::actors::issuing::CouponHandle;
use crate::domain::{CouponId, IssuedCoupon};
use crate::ports::{EngineError, HighWatermark, NodeReport, OpenRecovery, OutboxEntry};

/// Rows written at a time.
const WRITE_PAGE: usize = 256;

impl Recoveries {
    /// The next step of a coupon's recovery; `Ok` when this node serves it again.
    pub(super) async fn step(self: &Arc<Self>, handle: &Arc<CouponHandle>) -> Result<(), RecoveryError> {
        let id = handle.id();
        let open = match self.heard_of(id) {
            Some(open) => open,
            None => match self.testify_and_resume(handle).await? {
                None => return Ok(()),
                Some(open) => open,
            },
        };
        if !open.ended && !open.testified {
            self.halt_and_report(handle, open).await?;
        }
        if !open.ended {
            if !self.leads.lock().await.is_held().await {
                return Err(RecoveryError::Waiting("another node judges the engine".to_owned()));
            }
            let _turn = self.turns.acquire().await.ok();
            let recovery = OpenRecovery { coupon: id.clone(), round: open.round };
            if within("the database", self.parts.peers.cluster().is_open(&recovery)).await? {
                self.lead(handle, &recovery, open.since).await?;
            }
        }
        self.forget(id);
        within("the engine", self.parts.engine.resume(id)).await?;
        Ok(())
    }

    fn heard_of(&self, id: &CouponId) -> Option<Open> {
        self.state().open.get(id).copied()
    }

    fn forget(&self, id: &CouponId) {
        let mut state = self.state();
        state.open.remove(id);
        state.unknown.remove(id);
        state.quiet.remove(id);
        state.told.remove(id);
    }

    /// A coupon that only this node doubts: perhaps the others have recovered it without this one. If not, a recovery
    /// begins, which is given.
    async fn testify_and_resume(&self, handle: &Arc<CouponHandle>) -> Result<Option<Open>, RecoveryError> {
        let _turn = self.turns.acquire().await.ok();
        let id = handle.id();
        self.stop(handle).await?;
        match within("the engine", self.parts.engine.resume(id)).await {
            Ok(()) => {
                self.forget(id);
                return Ok(None);
            }
            Err(RecoveryError::Engine(
                EngineError::Fenced(_) | EngineError::UnknownCoupon | EngineError::Corrupt(_),
            )) => {}
            Err(other) => return Err(other),
        }
        let round = within("the database", self.parts.peers.cluster().open_recovery(id)).await?;
        let open = Open::now(round);
        tracing::warn!(coupon = %id, round = round.0, "the engine may have lost something; nothing is issued until it is verified");
        self.state().open.insert(id.clone(), open);
        Ok(Some(open))
    }

    /// Lets this node tell nothing more, and writes down what it told; gives what it knows.
    async fn stop(&self, handle: &Arc<CouponHandle>) -> Result<NodeReport, RecoveryError> {
        let testimony = self.parts.engine.halt_and_report(handle.id());
        self.write_down(handle, &testimony.decided).await?;
        Ok(testimony)
    }

    async fn halt_and_report(&self, handle: &Arc<CouponHandle>, open: Open) -> Result<(), RecoveryError> {
        let _turn = self.turns.acquire().await.ok();
        let id = handle.id();
        let testimony = self.stop(handle).await?;
        let recovery = OpenRecovery { coupon: id.clone(), round: open.round };
        let evidence = HighWatermark { epoch: testimony.epoch, issued: testimony.issued };
        let said = self.parts.peers.cluster().halt_and_report(&recovery, self.parts.peers.node(), evidence);
        within("the database", said).await?;
        if let Some(known) = self.state().open.get_mut(id).filter(|known| known.round == open.round) {
            known.testified = true;
        }
        Ok(())
    }

    /// Writes issuances into the database past the broker: what it holds the engine can be rebuilt from. What was there
    /// already stays; a contradiction is quarantined and is an alarm.
    pub(super) async fn write_down(
        &self,
        handle: &Arc<CouponHandle>,
        entries: &[OutboxEntry],
    ) -> Result<(), RecoveryError> {
        for page in entries.chunks(WRITE_PAGE) {
            let rows: Vec<IssuedCoupon> =
                page.iter().map(|entry| handle.issuance(&entry.member, entry.grant)).collect();
            let report = within("the database", self.parts.store.insert(&rows)).await?;
            self.parts.metrics.conflicts.inc_by(report.log_alarms());
        }
        Ok(())
    }
}
