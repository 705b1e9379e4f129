//! Verifies a Redis that may have lost data, or rebuilds its coupons from the database.

use async_trait::async_trait;
use uuid::Uuid;

use super::engine::{RedisLuaEngine, window_digits};
use super::epoch::{self, valid_or_zero};
use super::outbox;
use super::reply::Reply;
use super::scripts::invocation;
use crate::domain::{Coupon, CouponId, IssuedCoupon, Sequence, Timestamp};
use crate::ports::{
    EngineError, EngineRecovery, Epoch, HighWatermark, IssuanceStore, NodeReport, OutboxEntry,
};

/// Rows restored by one script. Lua's unpack() takes no more than about 8,000 values.
const REBUILD_PAGE: u32 = 1_000;

#[async_trait]
impl EngineRecovery for RedisLuaEngine {
    fn halt_and_report(&self, coupon: &CouponId) -> NodeReport {
        self.shared.memories.find(coupon).map(|memory| memory.halt_and_report()).unwrap_or_default()
    }

    fn first_unconfirmed(&self, coupon: &CouponId) -> Option<Sequence> {
        self.shared.memories.find(coupon)?.first_unconfirmed()
    }

    fn forget_through(&self, coupon: &CouponId, through: Sequence) {
        if let Some(memory) = self.shared.memories.find(coupon) {
            memory.forget_through(through);
        }
    }

    async fn suspend(&self, coupon: &CouponId) -> Result<Epoch, EngineError> {
        let run = invocation(&self.shared.scripts.suspend, coupon);
        let epoch: String = Reply::expect_ok(self.shared.connection.invoke(&run).await?)?.next()?;
        // An invalid epoch counts as none: the coupon will be rebuilt.
        Ok(epoch::parse(&epoch).unwrap_or(0))
    }

    async fn undelivered(
        &self,
        coupon: &CouponId,
        epoch: Epoch,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError> {
        outbox::pending(&self.shared, coupon, epoch, after, limit).await
    }

    async fn verify(&self, coupon: &Coupon, evidence: HighWatermark) -> Result<Epoch, EngineError> {
        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut run = invocation(&self.shared.scripts.verify, &coupon.id);
        run.arg(evidence.issued).arg(valid_or_zero(evidence.epoch)).arg(coupon.inventory.total());
        run.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str());
        Ok(self.shared.query_coupon(&run).await?.epoch)
    }

    async fn rebuild(
        &self,
        coupon: &Coupon,
        evidence: HighWatermark,
        store: &dyn IssuanceStore,
    ) -> Result<Epoch, EngineError> {
        let token = Uuid::new_v4().to_string();
        let (shared, id) = (&self.shared, &coupon.id);
        let mut begin = invocation(&shared.scripts.rebuild_begin, id);
        Reply::expect_ok(shared.connection.invoke(begin.arg(&token)).await?)?;

        let (mut issued, mut latest) = (0, Timestamp::from_ms(0));
        loop {
            let page = store.list(id, issued, REBUILD_PAGE).await;
            let page = page.map_err(|error| EngineError::Unavailable(error.into()))?;
            let Some(last) = page.last() else { break };
            latest = last.issued_at;
            self.restore_page(id, &token, issued, &page).await?;
            issued += u32::try_from(page.len()).unwrap_or(u32::MAX);
        }

        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut finish = invocation(&shared.scripts.rebuild_finish, id);
        finish.arg(&token).arg(issued).arg(valid_or_zero(evidence.epoch)).arg(coupon.inventory.total());
        finish.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str()).arg(latest.as_ms());
        let epoch = shared.query_coupon(&finish).await?.epoch;
        shared.announce().await?;
        Ok(epoch)
    }

    async fn resume(&self, coupon: &CouponId) -> Result<(), EngineError> {
        let memory = self.shared.memories.find(coupon);
        let (epoch, issued) = memory.map_or((0, 0), |memory| (memory.epoch, memory.issued()));
        let mut run = invocation(&self.shared.scripts.standing, coupon);
        let state = self.shared.query_coupon(run.arg("").arg(issued)).await?;
        if state.epoch < epoch {
            return Err(EngineError::Fenced(
                "Redis holds an epoch of the coupon from before its rebuild".to_owned(),
            ));
        }
        let memory = self.shared.memories.find_or_begin(coupon, state.epoch);
        memory.resume(state.standing.inventory.issued());
        Ok(())
    }
}

impl RedisLuaEngine {
    /// Restores the holders of `page`, whose sequences must follow `after` without a gap.
    async fn restore_page(
        &self,
        id: &CouponId,
        token: &str,
        after: Sequence,
        page: &[IssuedCoupon],
    ) -> Result<(), EngineError> {
        let mut run = invocation(&self.shared.scripts.rebuild_rows, id);
        run.arg(token);
        for (sequence, row) in (after + 1..).zip(page) {
            if row.sequence != sequence {
                return Err(EngineError::Fenced(format!("the database lacks sequence {sequence}")));
            }
            run.arg(row.member_id.as_str()).arg(format!("{sequence} {}", row.issued_at.as_ms()));
        }
        Reply::expect_ok(self.shared.connection.invoke(&run).await?).map(drop)
    }
}
