//! The engine whose every decision is one Lua script on one Redis.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{ScriptInvocation, Value, cmd, from_redis_value};

use super::connection::RedisConnection;
use super::epoch;
use super::keys;
use super::node_memory::{KnownCoupons, NodeMemory};
use super::outbox::RedisOutbox;
use super::reply::{Reply, Seen, corrupt, corrupt_because, grant};
use super::scripts::{Scripts, on};
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

/// Keys that Redis looks at for one page of coupons.
const KEYS_PAGE: u32 = 1_000;
/// About how many holders one page has.
const HOLDERS_PAGE: usize = 1_000;

/// The engine `redis-lua`.
///
/// A Redis that restarted, failed over or was wiped answers [`EngineError::Fenced`] or [`EngineError::UnknownCoupon`]
/// until it has been verified or rebuilt (`recovery.rs`). The node helps by its own memory: it asks nothing of a Redis
/// that has less than the node has itself seen issued.
#[derive(Debug, Clone)]
pub struct RedisLuaEngine {
    pub(super) shared: Arc<Shared>,
}

/// What the engine and its outbox have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) connection: RedisConnection,
    pub(super) scripts: Scripts,
    /// Which life of each coupon this node speaks of.
    pub(super) known: KnownCoupons,
}

impl Shared {
    /// What this node knows of `coupon`; at the first time it trusts what Redis says.
    pub(super) async fn known(&self, coupon: &CouponId) -> Result<Arc<NodeMemory>, EngineError> {
        if let Some(known) = self.known.find(coupon) {
            return Ok(known);
        }
        let epoch: Option<String> =
            self.connection.query(cmd("HGET").arg(keys::meta(coupon)).arg("epoch")).await?;
        let epoch = epoch::parse(&epoch.ok_or(EngineError::UnknownCoupon)?)?;
        Ok(self.known.learn(coupon, epoch))
    }

    /// Runs a script that answers with a coupon and no more.
    pub(super) async fn seen(&self, run: &ScriptInvocation<'_>) -> Result<Seen, EngineError> {
        Reply::accepted(self.connection.invoke(run).await?)?.coupon()
    }

    /// Tells other nodes that there is something new.
    pub(super) async fn announce(&self) -> Result<(), EngineError> {
        self.connection.query::<u64>(cmd("INCR").arg(keys::REVISION)).await.map(drop)
    }
}

impl RedisLuaEngine {
    /// An engine on this connection.
    #[must_use]
    pub fn new(connection: RedisConnection) -> Self {
        let shared = Shared { connection, scripts: Scripts::new(), known: KnownCoupons::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The outbox into which this engine's decisions go.
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
            return Err(corrupt("a batch has more members than it may"));
        }
        if batch.is_empty() {
            return Ok(BatchAnswer { verdicts: Vec::new(), standing: self.standing(coupon).await? });
        }
        let known = self.shared.known(coupon).await?;
        let question = known.ask()?;
        let mut run = on(&self.shared.scripts.admit, coupon);
        run.arg(known.epoch).arg(question.known).arg(batch.len());
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
        let mut reply = Reply::accepted(answer?)?;
        let standing = reply.coupon()?.standing;
        let issued_at = Timestamp::from_ms(reply.next()?);
        let verdicts: Vec<_> =
            reply.rest().map(|value| verdict(value, &standing, issued_at)).collect::<Result<_, _>>()?;
        if verdicts.len() != batch.len() {
            return Err(corrupt("there are not as many verdicts as members"));
        }
        known.accept(question, standing.inventory.issued(), told(batch, &verdicts))?;
        Ok(BatchAnswer { verdicts, standing })
    }

    async fn run_find(&self, coupon: &CouponId, member: &MemberId) -> Result<Option<Grant>, EngineError> {
        let known = self.shared.known(coupon).await?;
        let question = known.ask()?;
        let mut run = on(&self.shared.scripts.find, coupon);
        run.arg(known.epoch).arg(question.known).arg(member.as_str());
        let reply = Reply::accepted(self.shared.connection.invoke(&run).await?)?;
        let grant = reply.rest().next().map(held).transpose()?;
        let told = grant.map(|grant| OutboxEntry { member: member.clone(), grant, traceparent: None });
        known.accept(question, grant.map_or(0, |grant| grant.sequence), told)?;
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
        let before = shared.known.find(&coupon.id);
        let question = before.as_ref().map(|known| known.ask()).transpose()?;
        let told = question.map_or(0, |question| question.known);
        let epoch = before.map(|known| known.epoch.to_string()).unwrap_or_default();
        let (opens_at, closes_at) = window_digits(coupon.window);
        let mut run = on(&shared.scripts.load, &coupon.id);
        run.arg(epoch).arg(told.max(coupon.inventory.issued())).arg(coupon.inventory.total());
        run.arg(opens_at).arg(closes_at).arg(coupon.lifecycle.as_str());

        let mut reply = Reply::accepted(shared.connection.invoke(&run).await?)?;
        let seen = reply.coupon()?;
        let created: u8 = reply.next()?;
        let known = shared.known.learn(&coupon.id, seen.epoch);
        let question = question.map_or_else(|| known.ask(), Ok)?;
        known.accept(question, seen.standing.inventory.issued(), [])?;
        // A node that died between loading and announcing left it to the next one that loads.
        if created == 1 || !known.is_announced() {
            shared.announce().await?;
            known.announced();
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
        let known = self.shared.known(coupon).await?;
        let question = known.ask()?;
        let mut run = on(&self.shared.scripts.standing, coupon);
        let seen = self.shared.seen(run.arg(known.epoch).arg(question.known)).await?;
        known.accept(question, seen.standing.inventory.issued(), [])?;
        Ok(seen.standing)
    }

    async fn holders(&self, coupon: &CouponId, cursor: u64) -> Result<HoldersPage, EngineError> {
        let known = self.shared.known(coupon).await?;
        let question = known.ask()?;
        let mut run = on(&self.shared.scripts.holders, coupon);
        run.arg(known.epoch).arg(question.known).arg(cursor).arg(HOLDERS_PAGE);
        let mut reply = Reply::accepted(self.shared.connection.invoke(&run).await?)?;
        let next: u64 = reply.next()?;
        let (mut rest, mut holders) = (reply.rest(), Vec::new());
        while let Some(who) = rest.next() {
            let what = rest.next().ok_or_else(|| corrupt("a participant holds nothing"))?;
            holders.push((member(who)?, held(what)?));
        }
        known.accept(question, 0, [])?;
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
        let known = self.shared.known(coupon).await?;
        let (opens_at, closes_at) = change.window.map(window_digits).unwrap_or_default();
        let question = known.ask()?;
        let mut run = on(&self.shared.scripts.reconfigure, coupon);
        run.arg(known.epoch).arg(question.known);
        run.arg(change.total.map_or_else(String::new, |total| total.to_string()));
        run.arg(MAX_TOTAL).arg(opens_at).arg(closes_at);
        run.arg(change.lifecycle.map_or("", |lifecycle| lifecycle.as_str()));
        let (word, mut reply) = Reply::judged(self.shared.connection.invoke(&run).await?)?;
        match word.as_str() {
            "OK" => {
                let seen = reply.coupon()?;
                self.shared.announce().await?;
                Ok(Ok(seen.standing))
            }
            "REFUSED" => refused(&mut reply).map(Err),
            _ => Err(corrupt("reconfiguring was answered with an unknown word")),
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

/// What members of a batch are going to be told that they hold.
pub(super) fn told(batch: &[AdmissionRequest], verdicts: &[Verdict]) -> impl Iterator<Item = OutboxEntry> {
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
        // Stock only falls within a step, so how the coupon stands after it is also why a member got none.
        Value::Int(0) => {
            standing.rejection().map(Verdict::Rejected).ok_or_else(|| corrupt("an open coupon rejects"))
        }
        Value::Int(sequence) => {
            let sequence = sequence.try_into().map_err(corrupt_because)?;
            Ok(Verdict::Issued(Grant { sequence, issued_at }))
        }
        again => held(again).map(Verdict::Again),
    }
}

fn held(value: Value) -> Result<Grant, EngineError> {
    grant(&from_redis_value::<String>(value).map_err(corrupt_because)?)
}

fn member(value: Value) -> Result<MemberId, EngineError> {
    MemberId::parse(&from_redis_value::<String>(value).map_err(corrupt_because)?).map_err(corrupt_because)
}

fn refused(reply: &mut Reply) -> Result<AmendmentError, EngineError> {
    let reason: String = reply.next()?;
    Ok(match reason.as_str() {
        "CLOSED" => AmendmentError::Closed,
        "TOTAL_OUT_OF_RANGE" => InventoryError::TotalOutOfRange.into(),
        "BELOW_ISSUED" => InventoryError::BelowIssued { issued: reply.next()? }.into(),
        "FROZEN" => AmendmentError::TermsFrozen,
        _ => return Err(corrupt("reconfiguring was refused for an unknown reason")),
    })
}
