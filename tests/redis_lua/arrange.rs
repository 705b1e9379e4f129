//! Fixtures of this crate: nodes, coupons, requests.

use openrun::domain::{
    AdmissionRequest, CodeSalt, Coupon, CouponId, Inventory, MemberId, NewCoupon, SalePeriod, Terms,
    Timestamp, Traceparent, Verdict,
};
use openrun::persistence::redis::{RedisConnection, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, BatchAnswer, EngineError, EngineRecovery, HighWatermark};
use redis::{Cmd, FromRedisValue};

use crate::support::shared::{connect_redis, coupon_id};

/// The traceparent of the member `traced`.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A node with its own engine, and with raw access to Redis.
pub(crate) struct Node {
    pub(crate) engine: RedisLuaEngine,
    url: String,
}

impl Node {
    pub(crate) async fn at(url: &str) -> Self {
        let connection = RedisConnection::connect(&url.into()).await.expect("Redis answers");
        Self { engine: RedisLuaEngine::new(connection), url: url.to_owned() }
    }

    /// Runs a command outside the engine.
    pub(crate) async fn raw<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = connect_redis(&self.url).await;
        let mut cmd = Cmd::new();
        cmd.arg(command);
        cmd.query_async(&mut connection).await.expect("the command is good")
    }

    /// The serialized keys of a coupon.
    pub(crate) async fn dump(&self, coupon: &CouponId) -> Vec<Option<Vec<u8>>> {
        let mut all = Vec::new();
        for part in ["meta", "stock", "participants", "outbox"] {
            all.push(self.raw(&["DUMP", &key(coupon, part)]).await);
        }
        all
    }

    pub(crate) async fn dump_key(&self, key: &str) -> Vec<u8> {
        self.raw(&["DUMP", key]).await
    }

    /// Restores a dumped key.
    pub(crate) async fn restore(&self, key: &str, copy: &[u8]) {
        let mut connection = connect_redis(&self.url).await;
        let mut cmd = Cmd::new();
        cmd.arg("RESTORE").arg(key).arg(0).arg(copy).arg("REPLACE");
        cmd.query_async::<()>(&mut connection).await.expect("it is a dump");
    }

    /// Sends one batch of requests.
    pub(crate) async fn admit(
        &self,
        coupon: &CouponId,
        members: &[&str],
    ) -> Result<BatchAnswer, EngineError> {
        self.engine.admit(coupon, &requests(members)).await
    }

    /// Verifies the engine against this node's report and the database's `rows`, and resumes.
    pub(crate) async fn verify(&self, coupon: &Coupon, rows: u32) -> Result<(), EngineError> {
        let reported = self.engine.halt_and_report(&coupon.id).issued;
        self.engine.verify(coupon, HighWatermark { epoch: 0, issued: rows.max(reported) }).await?;
        self.engine.resume(&coupon.id).await
    }

    /// Loads an open coupon.
    pub(crate) async fn open_coupon(&self, total: u32) -> Coupon {
        let coupon = coupon(total, 0);
        self.engine.load(&coupon).await.expect("it loads");
        coupon
    }
}

/// An open coupon of which the database has `issued` issuances.
pub(crate) fn coupon(total: u32, issued: u32) -> Coupon {
    let new = NewCoupon {
        id: CouponId::parse(&coupon_id()).expect("it is an id"),
        terms: Terms::new("Drop", "", "10 %").expect("they are terms"),
        inventory: Inventory::with_issued(total, issued).expect("it is an inventory"),
        window: SalePeriod::new(Timestamp::from_ms(0), None).expect("it is a window"),
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), Timestamp::from_ms(0)).expect("it is a coupon")
}

pub(crate) fn member(id: &str) -> MemberId {
    MemberId::parse(id).expect("it is an id")
}

/// Only the request of the member `traced` has a trace.
pub(crate) fn requests(members: &[&str]) -> Vec<AdmissionRequest> {
    let trace = |id: &str| (id == "traced").then(|| Traceparent::parse(TRACE).expect("it is a trace"));
    members.iter().map(|id| AdmissionRequest { member: member(id), traceparent: trace(id) }).collect()
}

/// The sequences of a batch's answer; 0 for a rejection.
pub(crate) fn sequences(answer: &BatchAnswer) -> Vec<u32> {
    let sequence = |verdict: &Verdict| match verdict {
        Verdict::Issued(grant) | Verdict::Again(grant) => grant.sequence,
        Verdict::Rejected(_) => 0,
    };
    answer.verdicts.iter().map(sequence).collect()
}

/// One of a coupon's keys.
pub(crate) fn key(coupon: &CouponId, part: &str) -> String {
    format!("coupon:{{{coupon}}}:{part}")
}

/// Panics unless the engine is fenced with a reason that contains `words`.
#[track_caller]
pub(crate) fn assert_fenced<T: std::fmt::Debug>(answer: Result<T, EngineError>, words: &str) {
    match answer {
        Err(EngineError::Fenced(why)) => assert!(why.contains(words), "fenced, but because {why}"),
        other => panic!("not fenced: {other:?}"),
    }
}
