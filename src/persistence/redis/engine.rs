//! The engine that decides each batch in one Lua script on one Redis.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{ScriptInvocation, Value, cmd, from_redis_value};

use super::connection::RedisConnection;
use super::epoch;
use super::keys;
use super::node_memory::{NodeMemories, NodeMemory};
use super::outbox::RedisOutbox;
use super::reply::{CouponState, Reply, corrupt, corrupt_because, parse_grant, unexpected_status};
use super::scripts::{Scripts, invocation};
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, InventoryError, MAX_TOTAL, MemberId,
    Reconfiguration, SalePeriod, Standing, Timestamp, Verdict,
};
#[cfg(feature = "planted-bugs")]
use crate::fault_injection::bugs;
use crate::ports::{
    AdmissionEngine, BatchAnswer, CouponsPage, EngineError, HoldersPage, MAX_BATCH, OutboxEntry,
};
use crate::telemetry::DatabaseCall;

const ADMIT: DatabaseCall = DatabaseCall::script("EVALSHA admit", "admit");
const FIND: DatabaseCall = DatabaseCall::script("EVALSHA find", "find");

/// Keys that Redis scans for one page of coupons.
const KEYS_PAGE: u32 = 1_000;
/// Approximate size of a page of holders.
const HOLDERS_PAGE: usize = 1_000;

/// The engine `redis-lua`.
///
/// A Redis that restarted, failed over or was wiped answers [`EngineError::Fenced`] or [`EngineError::UnknownCoupon`]
/// until it has been verified or rebuilt (`recovery.rs`). Every call carries the number of issuances that this node has
/// seen, and the scripts refuse it on a Redis that holds fewer.
#[derive(Debug, Clone)]
pub struct RedisLuaEngine {
    pub(super) shared: Arc<Shared>,
}

/// State that the engines and the outbox share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: RedisConnection,
    pub(super) scripts: Scripts,
    pub(super) memories: NodeMemories,
}

impl Shared {
    /// This node's memory of `coupon`. The first use takes the epoch from Redis.
    pub(super) async fn memory_of(&self, coupon: &CouponId) -> Result<Arc<NodeMemory>, EngineError> {
        if let Some(memory) = self.memories.find(coupon) {
            return Ok(memory);
        }
        let epoch: Option<String> =
            self.connection.query(cmd("HGET").arg(keys::meta(coupon)).arg("epoch")).await?;
        let epoch = epoch::parse(&epoch.ok_or(EngineError::UnknownCoupon)?)?;
        Ok(self.memories.find_or_begin(coupon, epoch))
    }

    /// Runs a script and reads the coupon of its answer.
    pub(super) async fn query_coupon(&self, run: &ScriptInvocation<'_>) -> Result<CouponState, EngineError> {
        Reply::expect_ok(self.connection.invoke(run).await?)?.coupon()
    }

    /// Raises the revision, which makes the other nodes read their coupons again.
    pub(super) async fn announce(&self) -> Result<(), EngineError> {
        self.connection.query::<u64>(cmd("INCR").arg(keys::REVISION)).await.map(drop)
    }
}

impl RedisLuaEngine {
    #[must_use]
    pub fn new(connection: RedisConnection) -> Self {
        let shared = Shared { connection, scripts: Scripts::new(), memories: NodeMemories::default() };
        Self { shared: Arc::new(shared) }
    }

    #[must_use]
    pub fn outbox(&self) -> RedisOutbox {
        RedisOutbox::new(Arc::clone(&self.shared))
    }

    async fn run_admit(
        &self,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<BatchAnswer, EngineError> {
        if batch.len() > MAX_BATCH {
            return Err(corrupt("the batch has too many members"));
        }
        if batch.is_empty() {
            return Ok(BatchAnswer { verdicts: Vec::new(), standing: self.standing(coupon).await? });
        }
        let memory = self.shared.memory_of(coupon).await?;
        let query = memory.begin_query()?;
        let mut run = invocation(&self.shared.scripts.admit, coupon);
        run.arg(memory.epoch).arg(query.known).arg(batch.len());
        for request in batch {
            run.arg(request.member.as_str());
        }
        for request in batch {
            run.arg(request.traceparent.as_ref().map_or("", |trace| trace.as_str()));
        }
        let answer = self.shared.connection.invoke(&run).await;
        #[cfg(feature = "planted-bugs")]
        if answer.is_err() && bugs::is(bugs::STOCK_BACK_ON_TIMEOUT) {
            super::stock_back::stock_back(&self.shared, coupon, batch).await;
        }
        let mut reply = Reply::expect_ok(answer?)?;
        let standing = reply.coupon()?.standing;
        let issued_at = Timestamp::from_ms(reply.next()?);
        let verdicts: Vec<_> =
            reply.rest().map(|value| verdict(value, &standing, issued_at)).collect::<Result<_, _>>()?;
        if verdicts.len() != batch.len() {
            return Err(corrupt("the number of verdicts does not match the number of members"));
        }
        memory.record_answer(query, standing.inventory.issued(), granted_entries(batch, &verdicts))?;
        Ok(BatchAnswer { verdicts, standing })
    }

    async fn run_find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        let memory = self.shared.memory_of(coupon).await?;
        let query = memory.begin_query()?;
        let mut run = invocation(&self.shared.scripts.find, coupon);
        run.arg(memory.epoch).arg(query.known).arg(member.as_str());
        let reply = Reply::expect_ok(self.shared.connection.invoke(&run).await?)?;
        let grant = reply.rest().next().map(read_grant).transpose()?;
        let entry = grant.map(|grant| OutboxEntry { member: member.clone(), grant, traceparent: None });
        memory.record_answer(query, grant.map_or(0, |grant| grant.sequence), entry)?;
        Ok(grant)
    }
}

#[async_trait]
impl AdmissionEngine for RedisLuaEngine {
    fn name(&self) -> &'static str {
        "redis-lua"
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        let shared = &self.shared;
        let memory = shared.memories.find(&coupon.id);
        let query = memory.as_ref().map(|memory| memory.begin_query()).transpose()?;
        let known = query.map_or(0, |query| query.known);
        let epoch = memory.map(|memory| memory.epoch.to_string()).unwrap_or_default();
        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut run = invocation(&shared.scripts.load, &coupon.id);
        run.arg(epoch).arg(known.max(coupon.inventory.issued())).arg(coupon.inventory.total());
        run.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str());

        let mut reply = Reply::expect_ok(shared.connection.invoke(&run).await?)?;
        let state = reply.coupon()?;
        let created: u8 = reply.next()?;
        let memory = shared.memories.find_or_begin(&coupon.id, state.epoch);
        let query = query.map_or_else(|| memory.begin_query(), Ok)?;
        memory.record_answer(query, state.standing.inventory.issued(), [])?;
        // Another node may have died between loading and announcing, so the first load of each node announces, too.
        if created == 1 || !memory.is_announced() {
            shared.announce().await?;
            memory.set_announced();
        }
        Ok(())
    }

    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        ADMIT.run(batch.len(), self.run_admit(coupon, batch), EngineError::kind).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        FIND.run(1, self.run_find(coupon, member), EngineError::kind).await
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        let memory = self.shared.memory_of(coupon).await?;
        let query = memory.begin_query()?;
        let mut run = invocation(&self.shared.scripts.standing, coupon);
        let state = self.shared.query_coupon(run.arg(memory.epoch).arg(query.known)).await?;
        memory.record_answer(query, state.standing.inventory.issued(), [])?;
        Ok(state.standing)
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        let memory = self.shared.memory_of(coupon).await?;
        let query = memory.begin_query()?;
        let mut run = invocation(&self.shared.scripts.holders, coupon);
        run.arg(memory.epoch).arg(query.known).arg(cursor).arg(HOLDERS_PAGE);
        let mut reply = Reply::expect_ok(self.shared.connection.invoke(&run).await?)?;
        let next: u64 = reply.next()?;
        let mut values = reply.rest();
        let mut holders = Vec::new();
        while let Some(member) = values.next() {
            let grant = values.next().ok_or_else(|| corrupt("a participant has no issuance"))?;
            holders.push((read_member(member)?, read_grant(grant)?));
        }
        memory.record_answer(query, 0, [])?;
        Ok(HoldersPage { holders, next: Some(next).filter(|next| *next != 0) })
    }

    async fn coupons(&self, cursor: u64) -> Result<CouponsPage, EngineError> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(keys::ALL_META).arg("COUNT").arg(KEYS_PAGE);
        let (next, found): (u64, Vec<String>) = self.shared.connection.query(&scan).await?;
        let coupons = found.iter().filter_map(|key| keys::coupon_of_meta(key)).collect();
        Ok(CouponsPage { coupons, next: Some(next).filter(|next| *next != 0) })
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        let memory = self.shared.memory_of(coupon).await?;
        let (opens_at, closes_at) = change.window.map(window_digits).unwrap_or_default();
        let query = memory.begin_query()?;
        let mut run = invocation(&self.shared.scripts.reconfigure, coupon);
        run.arg(memory.epoch).arg(query.known);
        run.arg(change.total.map_or_else(String::new, |total| total.to_string()));
        run.arg(MAX_TOTAL).arg(opens_at).arg(closes_at);
        run.arg(change.lifecycle.map_or("", |lifecycle| lifecycle.as_str()));
        let (status, mut reply) = Reply::split_status(self.shared.connection.invoke(&run).await?)?;
        match status.as_str() {
            "OK" => {
                let state = reply.coupon()?;
                self.shared.announce().await?;
                Ok(Ok(state.standing))
            }
            "REFUSED" => read_refusal(&mut reply).map(Err),
            _ => Err(unexpected_status(&status)),
        }
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        let revision: Option<u64> = self.shared.connection.query(cmd("GET").arg(keys::REVISION)).await?;
        Ok(revision.unwrap_or(0))
    }

    async fn announce(&self) -> Result<(), EngineError> {
        self.shared.announce().await
    }
}

pub(super) fn window_digits(window: SalePeriod) -> (String, String) {
    let closes_at = window.closes_at().map(|at| at.as_ms().to_string());
    (window.opens_at().as_ms().to_string(), closes_at.unwrap_or_default())
}

/// The issuances, new and earlier ones, in the verdicts of a batch.
pub(super) fn granted_entries(
    batch: &[AdmissionRequest],
    verdicts: &[Verdict],
) -> impl Iterator<Item = OutboxEntry> {
    batch.iter().zip(verdicts).filter_map(|(request, verdict)| match verdict {
        Verdict::Issued(grant) | Verdict::Again(grant) => Some(OutboxEntry {
            member: request.member.clone(),
            grant: *grant,
            traceparent: request.traceparent.clone(),
        }),
        Verdict::Rejected(_) => None,
    })
}

fn verdict(value: Value, standing: &Standing, issued_at: Timestamp) -> Result<Verdict, EngineError> {
    match value {
        // Stock only falls within a step, so the standing after the step gives the reason of every rejection.
        Value::Int(0) => {
            let rejection = standing.rejection().map(Verdict::Rejected);
            rejection.ok_or_else(|| corrupt("a member was rejected, but the coupon is open"))
        }
        Value::Int(sequence) => {
            let sequence = sequence.try_into().map_err(corrupt_because)?;
            Ok(Verdict::Issued(Grant { sequence, issued_at }))
        }
        grant => read_grant(grant).map(Verdict::Again),
    }
}

fn read_grant(value: Value) -> Result<Grant, EngineError> {
    parse_grant(&from_redis_value::<String>(value).map_err(corrupt_because)?)
}

fn read_member(value: Value) -> Result<MemberId, EngineError> {
    MemberId::parse(&from_redis_value::<String>(value).map_err(corrupt_because)?).map_err(corrupt_because)
}

fn read_refusal(reply: &mut Reply) -> Result<AmendmentError, EngineError> {
    let reason: String = reply.next()?;
    Ok(match reason.as_str() {
        "CLOSED" => AmendmentError::Closed,
        "TOTAL_OUT_OF_RANGE" => InventoryError::TotalOutOfRange.into(),
        "BELOW_ISSUED" => InventoryError::BelowIssued { issued: reply.next()? }.into(),
        "FROZEN" => AmendmentError::TermsFrozen,
        _ => return Err(corrupt(&format!("a script refused the change for the unknown reason {reason:?}"))),
    })
}
