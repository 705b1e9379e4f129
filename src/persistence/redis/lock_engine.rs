//! The engine that decides under a lock in Redis. Its coupons are those of `redis-lua`, key by key, and so are its outbox,
//! its fence and its recovery; only the way to a decision is another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redis::cmd;
use tokio::time::timeout;

use super::engine::{RedisLuaEngine, told};
use super::lock::{self, Held};
use super::node_memory::NodeMemory;
use super::reply::{Reply, corrupt, grant};
use super::scripts::on;
use super::{keys, reply::Seen};
use crate::domain::{
    AdmissionRequest, AmendmentError, Coupon, CouponId, Grant, MemberId, Reconfiguration, Standing,
    Timestamp, Verdict,
};
use crate::domain::{Decision, decide};
use crate::ports::{AdmissionEngine, BatchAnswer, CouponsPage, EngineError, HoldersPage, MAX_BATCH};
use crate::telemetry::DatabaseCall;

const ADMIT: DatabaseCall = DatabaseCall::several("redis", "admit under lock");

/// How long a batch waits for its turn: longer than the lease of a node that died, and shorter than a member waits.
const TURN_WITHIN: Duration = Duration::from_millis(2_500);
/// How often a batch is decided anew when what it was decided from had changed before it was written.
const TRIES: usize = 32;

/// The engine `redis-lock`: lock, read, decide here, write if the lock is still one's own, give it back.
#[derive(Debug, Clone)]
pub struct RedisLockEngine {
    lua: RedisLuaEngine,
    turns: Arc<LocalTurns>,
}

/// The steps of this node queue here, and only their first one asks Redis for the lock. One entry a coupon, kept as long
/// as the process lives.
#[derive(Debug, Default)]
struct LocalTurns(Mutex<HashMap<CouponId, Arc<tokio::sync::Mutex<()>>>>);

impl LocalTurns {
    fn of(&self, coupon: &CouponId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(coupon.clone()).or_default())
    }
}

impl RedisLockEngine {
    /// The engine on the keys, the memory and the connection of `lua`.
    #[must_use]
    pub fn new(lua: RedisLuaEngine) -> Self {
        Self { lua, turns: Arc::default() }
    }

    /// One batch, from its turn to its answer.
    async fn step(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        let shared = &self.lua.shared;
        let deadline = Instant::now() + TURN_WITHIN;
        let turn = self.turns.of(coupon);
        let _turn = timeout(TURN_WITHIN, turn.lock())
            .await
            .map_err(|_| EngineError::Busy("other batches of this node were before it".into()))?;
        let known = shared.known(coupon).await?;
        for _ in 0..TRIES {
            let held = lock::take(shared, coupon, deadline).await?;
            let answer = self.decide(&known, &held, coupon, batch).await;
            held.release().await;
            if let Some(answer) = answer? {
                return Ok(answer);
            }
        }
        Err(EngineError::Busy(format!("others were faster {TRIES} times").into()))
    }

    /// Decides under the lock; `None` if it came too late to be written, which then it was not.
    async fn decide(
        &self,
        known: &NodeMemory,
        lock: &Held,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<Option<BatchAnswer>, EngineError> {
        let shared = &self.lua.shared;
        let question = known.ask()?;
        let mut run = on(&shared.scripts.standing, coupon);
        run.arg(known.epoch).arg(question.known);
        let mut reply = Reply::accepted(shared.connection.invoke(&run).await?)?;
        let Seen { standing, .. } = reply.coupon()?;
        let issued_at = Timestamp::from_ms(reply.next()?);
        // After the standing: whoever won before it was sold out is among those who hold one.
        let held = self.held(coupon, batch).await?;
        let Decision { verdicts, standing: after, .. } = decide(standing, issued_at, held, batch);

        let winners: Vec<&AdmissionRequest> = batch
            .iter()
            .zip(&verdicts)
            .filter_map(|(request, verdict)| matches!(verdict, Verdict::Issued(_)).then_some(request))
            .collect();
        let mut run = on(&shared.scripts.admit_held, coupon);
        run.key(keys::turn(coupon));
        run.arg(known.epoch).arg(question.known).arg(lock.turn);
        run.arg(standing.inventory.issued()).arg(issued_at.as_ms()).arg(winners.len());
        for winner in &winners {
            run.arg(winner.member.as_str());
        }
        for winner in &winners {
            run.arg(winner.traceparent.as_ref().map_or("", |trace| trace.as_str()));
        }
        match Reply::judged(shared.connection.invoke(&run).await?)? {
            (word, _) if word == "OK" => {}
            (word, _) if word == "LATE" => return Ok(None),
            (word, _) => return Err(corrupt(&format!("a script began its answer with {word:?}"))),
        }
        known.accept(question, after.inventory.issued(), told(batch, &verdicts))?;
        Ok(Some(BatchAnswer { verdicts, standing: after }))
    }

    /// What members of a batch hold.
    async fn held(
        &self,
        coupon: &CouponId,
        batch: &[AdmissionRequest],
    ) -> Result<HashMap<MemberId, Grant>, EngineError> {
        let members: Vec<&str> = batch.iter().map(|request| request.member.as_str()).collect();
        let mut question = cmd("HMGET");
        question.arg(keys::participants(coupon)).arg(members);
        let holdings: Vec<Option<String>> = self.lua.shared.connection.query(&question).await?;
        let held = batch.iter().zip(holdings).filter_map(|(request, holding)| {
            holding.map(|holding| Ok((request.member.clone(), grant(&holding)?)))
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

    /// Carried to its end even if nobody waits for it any more: who goes away in the middle would leave the lock to its
    /// lease, and everybody waiting.
    async fn admit(&self, coupon: &CouponId, batch: &[AdmissionRequest]) -> Result<BatchAnswer, EngineError> {
        if batch.len() > MAX_BATCH {
            return Err(corrupt("a batch has more members than it may"));
        }
        if batch.is_empty() {
            return Ok(BatchAnswer { verdicts: Vec::new(), standing: self.standing(coupon).await? });
        }
        let (engine, coupon, requests) = (self.clone(), coupon.clone(), batch.to_vec());
        let step = tokio::spawn(async move { engine.step(&coupon, &requests).await });
        let answer = async { step.await.unwrap_or_else(|error| Err(EngineError::Unavailable(error.into()))) };
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
