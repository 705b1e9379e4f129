//! How a Redis that may have lost something is verified, or rebuilt from the database.

use async_trait::async_trait;
use uuid::Uuid;

use super::engine::{RedisLuaEngine, window_digits};
use super::epoch::{self, believable};
use super::outbox;
use super::reply::Reply;
use super::scripts::on;
use crate::domain::{Coupon, CouponId, IssuedCoupon, Sequence, Timestamp};
use crate::ports::{
    EngineError, EngineRecovery, Epoch, HighWatermark, IssuanceStore, NodeReport, OutboxEntry,
};

/// Rows that one step of a rebuilding puts back: Lua takes no more than about 8,000 values at a time.
const REBUILD_PAGE: u32 = 1_000;

#[async_trait]
impl EngineRecovery for RedisLuaEngine {
    fn halt_and_report(&self, coupon: &CouponId) -> NodeReport {
        self.shared.known.find(coupon).map(|known| known.halt_and_report()).unwrap_or_default()
    }

    fn first_unconfirmed(&self, coupon: &CouponId) -> Option<Sequence> {
        self.shared.known.find(coupon)?.first_unconfirmed()
    }

    fn forget_through(&self, coupon: &CouponId, through: Sequence) {
        if let Some(known) = self.shared.known.find(coupon) {
            known.forget_through(through);
        }
    }

    async fn suspend(&self, coupon: &CouponId) -> Result<Epoch, EngineError> {
        let run = on(&self.shared.scripts.suspend, coupon);
        let epoch: String = Reply::accepted(self.shared.connection.invoke(&run).await?)?.next()?;
        // One that cannot be says nothing: the coupon will be rebuilt.
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
        let mut run = on(&self.shared.scripts.verify, &coupon.id);
        run.arg(evidence.issued).arg(believable(evidence.epoch)).arg(coupon.inventory.total());
        run.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str());
        Ok(self.shared.seen(&run).await?.epoch)
    }

    async fn rebuild(
        &self,
        coupon: &Coupon,
        evidence: HighWatermark,
        store: &dyn IssuanceStore,
    ) -> Result<Epoch, EngineError> {
        let token = Uuid::new_v4().to_string();
        let (shared, id) = (&self.shared, &coupon.id);
        let mut begin = on(&shared.scripts.rebuild_begin, id);
        Reply::accepted(shared.connection.invoke(begin.arg(&token)).await?)?;

        let (mut issued, mut latest) = (0, Timestamp::from_ms(0));
        loop {
            let page = store.list(id, issued, REBUILD_PAGE).await;
            let page = page.map_err(|error| EngineError::Unavailable(error.into()))?;
            let Some(last) = page.last() else { break };
            latest = last.issued_at;
            self.put_back(id, &token, issued, &page).await?;
            issued += u32::try_from(page.len()).unwrap_or(u32::MAX);
        }

        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut finish = on(&shared.scripts.rebuild_finish, id);
        finish.arg(&token).arg(issued).arg(believable(evidence.epoch)).arg(coupon.inventory.total());
        finish.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str()).arg(latest.as_ms());
        let epoch = shared.seen(&finish).await?.epoch;
        shared.announce().await?;
        Ok(epoch)
    }

    async fn resume(&self, coupon: &CouponId) -> Result<(), EngineError> {
        let before = self.shared.known.find(coupon);
        let (epoch, issued) = before.map_or((0, 0), |known| (known.epoch, known.issued()));
        let mut run = on(&self.shared.scripts.standing, coupon);
        let seen = self.shared.seen(run.arg("").arg(issued)).await?;
        if seen.epoch < epoch {
            return Err(EngineError::Fenced(
                "Redis holds the coupon as it was before it was rebuilt".to_owned(),
            ));
        }
        self.shared.known.learn(coupon, seen.epoch).resume(seen.standing.inventory.issued());
        Ok(())
    }
}

impl RedisLuaEngine {
    /// Puts the rows that follow `after` back, which must be every sequence from there.
    async fn put_back(
        &self,
        id: &CouponId,
        token: &str,
        after: Sequence,
        page: &[IssuedCoupon],
    ) -> Result<(), EngineError> {
        let mut run = on(&self.shared.scripts.rebuild_rows, id);
        run.arg(token);
        for (sequence, row) in (after + 1..).zip(page) {
            if row.sequence != sequence {
                return Err(EngineError::Fenced(format!("the database lacks sequence {sequence}")));
            }
            run.arg(row.member_id.as_str()).arg(format!("{sequence} {}", row.issued_at.as_ms()));
        }
        Reply::accepted(self.shared.connection.invoke(&run).await?).map(drop)
    }
}
