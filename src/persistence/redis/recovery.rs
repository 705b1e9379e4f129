//! Verifies a Redis that may have lost data, or rebuilds its coupons from the database.

use async_trait::async_trait;
use redis::Value;
use uuid::Uuid;

use super::engine::{RedisLuaEngine, window_digits};
use super::epoch::{self, valid_or_zero};
use super::outbox;
use super::reply::{Reply, unexpected_status};
use super::scripts::invocation;
use crate::domain::{Coupon, CouponId, Grant, MemberId, Sequence, Timestamp};
use crate::ports::{
    EngineError, EngineRecovery, Epoch, HighWatermark, IssuanceStore, Life, NodeReport, OutboxEntry,
    Resumption, Round, StoreError, Suspension,
};

/// Rows restored by one script, during which Redis answers no other question.
const REBUILD_PAGE: u32 = 5_000;

#[async_trait]
impl EngineRecovery for RedisLuaEngine {
    fn halt_and_report(&self, coupon: &CouponId) -> NodeReport {
        self.shared.memories.find(coupon).map(|memory| memory.halt_and_report()).unwrap_or_default()
    }

    fn has_unconfirmed(&self, coupon: &CouponId) -> bool {
        self.shared.memories.find(coupon).is_some_and(|memory| memory.first_unconfirmed().is_some())
    }

    fn forget_through(&self, coupon: &CouponId, through: Sequence) {
        if let Some(memory) = self.shared.memories.find(coupon) {
            memory.forget_through(through);
        }
    }

    async fn suspend(&self, coupon: &CouponId) -> Result<Suspension, EngineError> {
        let token = Uuid::new_v4().simple().to_string();
        let mut run = invocation(&self.shared.scripts.suspend, coupon);
        run.arg(&token);
        let epoch: String = Reply::expect_ok(self.shared.connection.invoke(&run).await?)?.next()?;
        // An invalid epoch counts as none: the coupon will be rebuilt.
        Ok(Suspension { epoch: epoch::parse(&epoch).unwrap_or(0), token })
    }

    async fn entries_of_epoch(
        &self,
        coupon: &CouponId,
        epoch: Epoch,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError> {
        outbox::pending(&self.shared, coupon, epoch, after, limit).await
    }

    async fn verify(
        &self,
        coupon: &Coupon,
        suspension: &Suspension,
        evidence: HighWatermark,
    ) -> Result<Life, EngineError> {
        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut run = invocation(&self.shared.scripts.verify, &coupon.id);
        run.arg(evidence.issued).arg(valid_or_zero(evidence.epoch)).arg(coupon.inventory.total());
        run.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str()).arg(&suspension.token);
        read_life(expect_in_time(self.shared.connection.invoke(&run).await?)?)
    }

    async fn rebuild(
        &self,
        coupon: &Coupon,
        round: Round,
        suspension: &Suspension,
        evidence: HighWatermark,
        store: &dyn IssuanceStore,
    ) -> Result<Life, EngineError> {
        let (shared, id, token) = (&self.shared, &coupon.id, &*suspension.token);
        let (mut issued, mut latest) = self.begin_rebuild(id, round, token, store).await?;
        let mut page = read_page(store, id, issued).await?;
        while let Some((_, last)) = page.last() {
            latest = last.issued_at;
            let after = issued + u32::try_from(page.len()).unwrap_or(u32::MAX);
            // The database reads the next page while Redis writes this one.
            let ((), next) =
                tokio::try_join!(self.restore_page(id, token, issued, &page), read_page(store, id, after))?;
            (issued, page) = (after, next);
        }

        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut finish = invocation(&shared.scripts.rebuild_finish, id);
        finish.arg(token).arg(issued).arg(valid_or_zero(evidence.epoch)).arg(coupon.inventory.total());
        finish.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str()).arg(latest.as_ms());
        let life = read_life(Reply::expect_ok(shared.connection.invoke(&finish).await?)?)?;
        shared.announce().await?;
        Ok(life)
    }

    async fn resume(&self, coupon: &CouponId) -> Result<Resumption, EngineError> {
        let memory = self.shared.memories.find(coupon);
        let (epoch, issued) = memory.map_or((0, 0), |memory| (memory.life.epoch, memory.issued()));
        let life = self.shared.current_life(coupon).await?;
        let mut run = invocation(&self.shared.scripts.standing, coupon);
        let mut reply = Reply::expect_ok(self.shared.connection.invoke(run.arg("").arg(issued)).await?)?;
        let state = reply.coupon()?;
        let _issued_at: i64 = reply.next()?;
        let own = Life { epoch: state.epoch, server: reply.next()? };
        if own.server != life.server {
            return Ok(Resumption::OtherServer);
        }
        if own.epoch < epoch {
            return Err(EngineError::Fenced(
                "Redis holds an epoch of the coupon from before its rebuild".to_owned(),
            ));
        }
        if own.epoch != life.epoch {
            return Err(EngineError::Fenced("Redis holds another epoch than the recorded one".to_owned()));
        }
        self.shared.memories.find_or_begin(coupon, life).resume(state.standing.inventory.issued());
        Ok(Resumption::Resumed)
    }

    async fn server(&self) -> Result<String, EngineError> {
        Ok(self.shared.connection.report().await?.run_id)
    }

    fn reconnect(&self) {
        self.shared.connection.reconnect("the coupons are decided on another server");
    }
}

impl RedisLuaEngine {
    /// Restores the holders of `page`, whose sequences must follow `after` without a gap.
    async fn restore_page(
        &self,
        id: &CouponId,
        token: &str,
        after: Sequence,
        page: &[(MemberId, Grant)],
    ) -> Result<(), EngineError> {
        let mut run = invocation(&self.shared.scripts.rebuild_rows, id);
        run.arg(token).arg(after);
        for (sequence, (member, grant)) in (after + 1..).zip(page) {
            if grant.sequence != sequence {
                return Err(EngineError::Fenced(format!("the database lacks sequence {sequence}")));
            }
            run.arg(member.as_str()).arg(format!("{sequence} {}", grant.issued_at.as_ms()));
        }
        Reply::expect_ok(self.shared.connection.invoke(&run).await?).map(drop)
    }

    /// Prepares the coupon; gives the number of holders that are restored already, and the time of the last of them.
    async fn begin_rebuild(
        &self,
        id: &CouponId,
        round: Round,
        token: &str,
        store: &dyn IssuanceStore,
    ) -> Result<(Sequence, Timestamp), EngineError> {
        let restored = self.run_begin(id, round, token, "").await?;
        if restored > 0 {
            let page = store.grants(id, restored - 1, 1).await.map_err(unavailable)?;
            // A restored page may be restored again: Redis compares its last holder with the row.
            match self.restore_page(id, token, restored - 1, &page).await {
                Ok(()) if !page.is_empty() => {
                    let latest = page.last().map(|(_, grant)| grant.issued_at);
                    return Ok((restored, latest.unwrap_or(Timestamp::from_ms(0))));
                }
                Ok(()) | Err(EngineError::Fenced(_)) => {}
                Err(other) => return Err(other),
            }
            self.run_begin(id, round, token, "1").await?;
        }
        Ok((0, Timestamp::from_ms(0)))
    }

    async fn run_begin(
        &self,
        id: &CouponId,
        round: Round,
        token: &str,
        from_start: &str,
    ) -> Result<Sequence, EngineError> {
        let mut run = invocation(&self.shared.scripts.rebuild_begin, id);
        run.arg(token).arg(round.0).arg(from_start);
        expect_in_time(self.shared.connection.invoke(&run).await?)?.next()
    }
}

/// Reads the answer of a script that begins a life.
fn read_life(mut reply: Reply) -> Result<Life, EngineError> {
    Ok(Life { epoch: reply.coupon()?.epoch, server: reply.next()? })
}

async fn read_page(
    store: &dyn IssuanceStore,
    id: &CouponId,
    after: Sequence,
) -> Result<Vec<(MemberId, Grant)>, EngineError> {
    store.grants(id, after, REBUILD_PAGE).await.map_err(unavailable)
}

fn unavailable(error: StoreError) -> EngineError {
    EngineError::Unavailable(error.into())
}

/// Like [`Reply::expect_ok`], for a script that refuses every suspension but the latest one.
fn expect_in_time(value: Value) -> Result<Reply, EngineError> {
    let (status, reply) = Reply::split_status(value)?;
    match status.as_str() {
        "OK" => Ok(reply),
        "LATE" => Err(EngineError::Busy("the coupon has been suspended or released since".into())),
        _ => Err(unexpected_status(&status)),
    }
}
