//! The engine that decides under a lock in Redis. It shares keys, outbox, fence and recovery with `redis-lua`; only the
//! decision differs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::cmd;
use tokio::time::timeout;

use super::engine::{RedisLuaEngine, granted_entries};
use super::keys;
use super::lock::{self, HeldLock};
use super::node_memory::NodeMemory;
use super::reply::{CouponState, Reply, corrupt, parse_grant, unexpected_status};
use super::scripts::invocation;
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Decision, Grant, MemberId, Reconfiguration, Standing,
    Timestamp, Verdict, decide,
};
use crate::ports::{AdmissionEngine, BatchAnswer, CouponsPage, EngineError, HoldersPage, MAX_BATCH};
use crate::sync::Locked;
use crate::telemetry::DatabaseCall;

const ADMIT: DatabaseCall = DatabaseCall::several("redis", "admit under lock");

/// Bound on a batch's wait for the lock: longer than the lease of a node that died, shorter than a member waits.
const LOCK_WITHIN: Duration = Duration::from_millis(2_500);
/// Bound on the decisions for one batch when the coupon changes before each of them is written.
const TRIES: usize = 32;

/// The engine `redis-lock`: takes the lock, reads, decides in this process, writes if it still holds the lock, and
/// releases it.
#[derive(Debug, Clone)]
pub struct RedisLockEngine {
    lua: RedisLuaEngine,
    local_locks: Arc<LocalLocks>,
}

/// One lock per coupon within this process, so that only one batch of a node at a time waits for the lock in Redis. The
/// entries are kept as long as the process lives.
#[derive(Debug, Default)]
struct LocalLocks(Locked<HashMap<CouponId, Arc<tokio::sync::Mutex<()>>>>);

impl LocalLocks {
    fn of(&self, coupon: &CouponId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.0.lock().entry(coupon.clone()).or_default())
    }
}

impl RedisLockEngine {
    /// Uses the keys, the memories and the connection of `lua`.
    #[must_use]
    pub fn new(lua: RedisLuaEngine) -> Self {
        Self { lua, local_locks: Arc::default() }
    }

    async fn admit_locked(
        &self,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<BatchAnswer, EngineError> {
        let shared = &self.lua.shared;
        let deadline = Instant::now() + LOCK_WITHIN;
        let local_lock = self.local_locks.of(coupon);
        let _guard = timeout(LOCK_WITHIN, local_lock.lock())
            .await
            .map_err(|_| EngineError::Busy("earlier batches of this node held the coupon's lock".into()))?;
        let memory = shared.memory_of(coupon).await?;
        for _ in 0..TRIES {
            let lock = lock::take(shared, coupon, deadline).await?;
            let answer = self.decide(&memory, &lock, coupon, batch).await;
            lock.release().await;
            if let Some(answer) = answer? {
                return Ok(answer);
            }
        }
        Err(EngineError::Busy(format!("the coupon changed during each of {TRIES} tries").into()))
    }

    /// Decides under the lock; `None` if the decision came too late and was not written.
    async fn decide(
        &self,
        memory: &NodeMemory,
        lock: &HeldLock,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<Option<BatchAnswer>, EngineError> {
        let shared = &self.lua.shared;
        let query = memory.begin_query()?;
        let mut run = invocation(&shared.scripts.standing, coupon);
        run.arg(memory.epoch).arg(query.known);
        let mut reply = Reply::expect_ok(shared.connection.invoke(&run).await?)?;
        let CouponState { standing, .. } = reply.coupon()?;
        let issued_at = Timestamp::from_ms(reply.next()?);
        // Read after the standing: if the standing is sold out, all holders are in this answer.
        let held = self.read_holders(coupon, batch).await?;
        let Decision { verdicts, standing: after, .. } = decide(standing, issued_at, held, batch);

        let new_holders: Vec<&AdmissionRequest> = batch
            .iter()
            .zip(&verdicts)
            .filter_map(|(request, verdict)| matches!(verdict, Verdict::Issued(_)).then_some(request))
            .collect();
        let mut run = invocation(&shared.scripts.admit_held, coupon);
        run.key(keys::fencing_token(coupon));
        run.arg(memory.epoch).arg(query.known).arg(lock.fencing_token);
        run.arg(standing.inventory.issued()).arg(issued_at.as_ms()).arg(new_holders.len());
        for request in &new_holders {
            run.arg(request.member.as_str());
        }
        for request in &new_holders {
            run.arg(request.traceparent.as_ref().map_or("", |trace| trace.as_str()));
        }
        let (status, _) = Reply::split_status(shared.connection.invoke(&run).await?)?;
        match status.as_str() {
            "OK" => {}
            "LATE" => return Ok(None),
            _ => return Err(unexpected_status(&status)),
        }
        memory.record_answer(query, after.inventory.issued(), granted_entries(batch, &verdicts))?;
        Ok(Some(BatchAnswer { verdicts, standing: after }))
    }

    /// Reads the earlier issuances of the batch's members.
    async fn read_holders(
        &self,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<HashMap<MemberId, Grant>, EngineError> {
        let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
        let mut command = cmd("HMGET");
        command.arg(keys::participants(coupon)).arg(members);
        let grants: Vec<Option<String>> = self.lua.shared.connection.query(&command).await?;
        let held = batch.iter().zip(grants).filter_map(|(request, grant)| {
            grant.map(|text| Ok((request.member.clone(), parse_grant(&text)?)))
        });
        held.collect()
    }
}

#[async_trait]
impl AdmissionEngine for RedisLockEngine {
    fn name(&self) -> &'static str {
        "redis-lock"
    }

    async fn load(&self, coupon: &Coupon) -> Result<(), EngineError> {
        self.lua.load(coupon).await
    }

    /// Runs in a task of its own, so that a caller that is cancelled does not leave the lock to its lease and delay
    /// every other batch.
    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        if batch.len() > MAX_BATCH {
            return Err(corrupt("the batch has too many members"));
        }
        if batch.is_empty() {
            return Ok(BatchAnswer { verdicts: Vec::new(), standing: self.standing(coupon).await? });
        }
        let (engine, coupon, requests) = (self.clone(), coupon.clone(), batch.to_vec());
        let task = tokio::spawn(async move { engine.admit_locked(&coupon, &requests).await });
        let answer = async { task.await.unwrap_or_else(|error| Err(EngineError::Unavailable(error.into()))) };
        ADMIT.run(batch.len(), answer, EngineError::kind).await
    }

    async fn find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        self.lua.find(coupon, member).await
    }

    async fn standing(&self, coupon: &CouponId) -> Result<Standing, EngineError> {
        self.lua.standing(coupon).await
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        self.lua.holders(coupon, cursor).await
    }

    async fn coupons(&self, cursor: u64) -> Result<CouponsPage, EngineError> {
        self.lua.coupons(cursor).await
    }

    async fn reconfigure(
        &self,
        coupon: &CouponId,
        change: Reconfiguration,
    ) -> Result<Result<Standing, AmendmentError>, EngineError> {
        self.lua.reconfigure(coupon, change).await
    }

    async fn revision(&self) -> Result<u64, EngineError> {
        self.lua.revision().await
    }

    async fn announce(&self) -> Result<(), EngineError> {
        self.lua.announce().await
    }
}
