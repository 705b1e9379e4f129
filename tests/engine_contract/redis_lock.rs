//! The contract against the engine that decides under a lock in Redis, on a server of each test's own.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::persistence::redis::{RedisConnection, RedisLockEngine, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark};

use crate::house::services::PrivateRedis;
use crate::suite::{Fixture, engine_contract};

engine_contract!(contract, crate::redis_lock::fixture);

/// Whoever changes the setting need not stop every node at once.
mod beside_redis_lua {
    crate::suite::contract_cases! { crate::redis_lock::mixed;
        concurrency: [
            ten_thousand_members_at_once_get_a_thousand_coupons,
            one_member_on_many_nodes_at_once_gets_one_coupon,
            raising_the_total_during_the_rush_strands_nothing,
        ],
        property: [any_sequence_of_steps_does_what_the_model_does],
    }
}

pub(crate) async fn fixture() -> impl Fixture {
    let redis = PrivateRedis::start().await;
    RedisLock { first: node(&redis).await, second: node(&redis).await, second_locks: true, redis }
}

async fn mixed() -> impl Fixture {
    let redis = PrivateRedis::start().await;
    RedisLock { first: node(&redis).await, second: node(&redis).await, second_locks: false, redis }
}

/// A node has one connection, a memory and a queue of its own.
struct Node {
    lua: RedisLuaEngine,
    lock: Arc<RedisLockEngine>,
}

async fn node(redis: &PrivateRedis) -> Node {
    let connection = RedisConnection::connect(&redis.url().into()).await.expect("Redis answers");
    let lua = RedisLuaEngine::new(connection);
    Node { lock: Arc::new(RedisLockEngine::new(lua.clone())), lua }
}

struct RedisLock {
    first: Node,
    second: Node,
    /// Whether the second node decides under the lock, too, and not by script.
    second_locks: bool,
    redis: PrivateRedis,
}

#[async_trait]
impl Fixture for RedisLock {
    fn engine(&self) -> Arc<dyn AdmissionEngine> {
        self.first.lock.clone()
    }

    fn second_node_engine(&self) -> Arc<dyn AdmissionEngine> {
        if self.second_locks { self.second.lock.clone() } else { Arc::new(self.second.lua.clone()) }
    }

    /// The server is killed. The first node dies with it; the second one lives on, and remembers.
    async fn reopen(&mut self) {
        self.redis.restart().await;
        self.first = node(&self.redis).await;
    }

    async fn recover(&self, coupon: &Coupon, rows: u32) {
        for node in [&self.first, &self.second] {
            node.lua.halt_and_report(&coupon.id);
        }
        let evidence = HighWatermark { epoch: 0, issued: rows };
        self.first.lua.verify(coupon, evidence).await.expect("nothing was lost");
        for node in [&self.first, &self.second] {
            node.lua.resume(&coupon.id).await.expect("it is verified");
        }
    }
}
