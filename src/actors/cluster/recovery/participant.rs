//! The part of every node in a recovery: stop, store its known issuances, report, wait, resume.

use std::sync::Arc;

use super::{Open, Recoveries, RecoveryError, bounded};
use crate::actors::issuing::CouponHandle;
use crate::domain::{CouponId, IssuedCoupon};
use crate::ports::{EngineError, HighWatermark, NodeReport, OpenRecovery, OutboxEntry};

const ROWS_PER_INSERT: usize = 256;

impl Recoveries {
    /// The next step of a coupon's recovery; `Ok` once this node serves the coupon again.
    pub(super) async fn step(self: &Arc<Self>, handle: &Arc<CouponHandle>) -> Result<(), RecoveryError> {
        let id = handle.id();
        let open = self.state.lock().open.get(id).copied();
        let open = match open {
            Some(open) => open,
            None => match self.resume_or_open(handle).await? {
                None => return Ok(()),
                Some(open) => open,
            },
        };
        if !open.ended && !open.reported {
            self.halt_and_report(handle, open).await?;
        }
        if !open.ended {
            if !self.lease.lock().await.is_held().await {
                return Err(RecoveryError::Waiting("another node verifies the engine".to_owned()));
            }
            let _permit = self.step_permits.acquire().await.ok();
            let recovery = OpenRecovery { coupon: id.clone(), round: open.round };
            if bounded(self.deps.membership.cluster().is_open(&recovery)).await? {
                self.lead(handle, &recovery, open.since).await?;
            }
        }
        self.forget(id);
        bounded(self.deps.engine.resume(id)).await?;
        Ok(())
    }

    fn forget(&self, id: &CouponId) {
        let mut state = self.state.lock();
        state.open.remove(id);
        state.unknown_since.remove(id);
        state.empty_queue.remove(id);
        state.logged_at.remove(id);
    }

    /// For a coupon that no open recovery is known of: the other nodes may have ended one without this node, and then
    /// it resumes. If the engine still refuses, gives the recovery that is open, or begins one.
    async fn resume_or_open(&self, handle: &Arc<CouponHandle>) -> Result<Option<Open>, RecoveryError> {
        let _permit = self.step_permits.acquire().await.ok();
        let id = handle.id();
        self.halt(handle).await?;
        match bounded(self.deps.engine.resume(id)).await {
            Ok(()) => {
                self.forget(id);
                return Ok(None);
            }
            Err(EngineError::Fenced(_) | EngineError::UnknownCoupon | EngineError::Corrupt(_)) => {}
            Err(other) => return Err(other.into()),
        }
        let round = bounded(self.deps.membership.cluster().open_recovery(id)).await?;
        let open = Open::new(round);
        tracing::warn!(coupon = %id, round = round.0, "the engine may have lost something; nothing is issued until it is verified");
        self.state.lock().open.insert(id.clone(), open);
        Ok(Some(open))
    }

    /// Stops this node's answers on the coupon and stores the issuances that members know from it.
    async fn halt(&self, handle: &Arc<CouponHandle>) -> Result<NodeReport, RecoveryError> {
        let report = self.deps.engine.halt_and_report(handle.id());
        self.store_entries(handle, &report.decided).await?;
        Ok(report)
    }

    async fn halt_and_report(&self, handle: &Arc<CouponHandle>, open: Open) -> Result<(), RecoveryError> {
        let _permit = self.step_permits.acquire().await.ok();
        let id = handle.id();
        let report = self.halt(handle).await?;
        let recovery = OpenRecovery { coupon: id.clone(), round: open.round };
        let evidence = HighWatermark { epoch: report.epoch, issued: report.issued };
        let membership = &self.deps.membership;
        bounded(membership.cluster().report(&recovery, membership.node(), evidence)).await?;
        if let Some(known) = self.state.lock().open.get_mut(id).filter(|known| known.round == open.round) {
            known.reported = true;
        }
        Ok(())
    }

    /// Inserts issuances into the database, bypassing the broker: a rebuild reads only rows. Existing rows stay; a
    /// conflict goes to the quarantine and raises an alarm.
    pub(super) async fn store_entries(
        &self,
        handle: &Arc<CouponHandle>,
        entries: &[OutboxEntry],
    ) -> Result<(), RecoveryError> {
        for page in entries.chunks(ROWS_PER_INSERT) {
            let rows: Vec<IssuedCoupon> =
                page.iter().map(|entry| handle.issuance(&entry.member, entry.grant)).collect();
            let report = bounded(self.deps.store.insert(&rows)).await?;
            self.deps.metrics.conflicts.inc_by(report.log_alarms());
        }
        Ok(())
    }
}
