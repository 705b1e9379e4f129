//! What the tests of this crate begin with: a node, a coupon, members.

use openrun::domain::{
    AdmissionRequest, CodeSalt, Coupon, CouponId, Inventory, MemberId, NewCoupon, SalePeriod, Terms,
    Timestamp, Traceparent, Verdict,
};
use openrun::persistence::redis::{RedisConnection, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, BatchAnswer, EngineError, EngineRecovery, HighWatermark};
use redis::{Cmd, FromRedisValue};

use crate::support::shared::{connect_redis, coupon_id};

/// A trace that one of the members brings along.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A node with its own engine and, as no other, a way to look past it.
pub(crate) struct Node {
    pub(crate) engine: RedisLuaEngine,
    url: String,
}

impl Node {
    pub(crate) async fn at(url: &str) -> Self {
        let connection = RedisConnection::connect(&url.into()).await.expect("Redis answers");
        Self { engine: RedisLuaEngine::new(connection), url: url.to_owned() }
    }

    /// Runs a command as an operator would, past the engine.
    pub(crate) async fn raw<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = connect_redis(&self.url).await;
        let mut cmd = Cmd::new();
        cmd.arg(command);
        cmd.query_async(&mut connection).await.expect("the command is good")
    }

    /// Everything that is stored of a coupon, byte for byte.
    pub(crate) async fn dump(&self, coupon: &CouponId) -> Vec<Option<Vec<u8>>> {
        let mut all = Vec::new();
        for part in ["meta", "stock", "participants", "outbox"] {
            all.push(self.raw(&["DUMP", &key(coupon, part)]).await);
        }
        all
    }

    /// One key, byte for byte.
    pub(crate) async fn dump_key(&self, key: &str) -> Vec<u8> {
        self.raw(&["DUMP", key]).await
    }

    /// Puts a key back as it was dumped.
    pub(crate) async fn restore(&self, key: &str, copy: &[u8]) {
        let mut connection = connect_redis(&self.url).await;
        let mut cmd = Cmd::new();
        cmd.arg("RESTORE").arg(key).arg(0).arg(copy).arg("REPLACE");
        cmd.query_async::<()>(&mut connection).await.expect("it is a dump");
    }

    /// Asks for these members in one batch.
    pub(crate) async fn admit(
        &self,
        coupon: &CouponId,
        members: &[&str],
    ) -> Result<BatchAnswer, EngineError> {
        self.engine.admit(coupon, &requests(members)).await
    }

    /// Verifies the engine, as the nodes together do, by what this one and the database know, and goes on.
    pub(crate) async fn verify(&self, coupon: &Coupon, rows: u32) -> Result<(), EngineError> {
        let told = self.engine.halt_and_report(&coupon.id).issued;
        self.engine.verify(coupon, HighWatermark { epoch: 0, issued: rows.max(told) }).await?;
        self.engine.resume(&coupon.id).await
    }

    /// Loads a coupon of `total` that is open.
    pub(crate) async fn open_coupon(&self, total: u32) -> Coupon {
        let coupon = coupon(total, 0);
        self.engine.load(&coupon).await.expect("it loads");
        coupon
    }
}

/// A coupon of which the database knows `issued`.
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

/// Requests without a trace, but for the member `traced`.
pub(crate) fn requests(members: &[&str]) -> Vec<AdmissionRequest> {
    let trace = |id: &str| (id == "traced").then(|| Traceparent::parse(TRACE).expect("it is a trace"));
    members.iter().map(|id| AdmissionRequest { member: member(id), traceparent: trace(id) }).collect()
}

/// The sequences of a batch's answer; 0 for whoever got none.
pub(crate) fn sequences(answer: &BatchAnswer) -> Vec<u32> {
    let sequence = |verdict: &Verdict| match verdict {
        Verdict::Issued(grant) | Verdict::Again(grant) => grant.sequence,
        Verdict::Rejected(_) => 0,
    };
    answer.verdicts.iter().map(sequence).collect()
}

/// The name of one of a coupon's keys.
pub(crate) fn key(coupon: &CouponId, part: &str) -> String {
    format!("coupon:{{{coupon}}}:{part}")
}

/// Panics unless the engine is fenced for a reason with these words.
#[track_caller]
pub(crate) fn assert_fenced<T: std::fmt::Debug>(answer: Result<T, EngineError>, words: &str) {
    match answer {
        Err(EngineError::Fenced(why)) => assert!(why.contains(words), "fenced, but because {why}"),
        other => panic!("not fenced: {other:?}"),
    }
}
