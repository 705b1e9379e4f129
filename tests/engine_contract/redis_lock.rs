//! The contract against the engine that decides under a lock in Redis, with a server per test.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::persistence::redis::{RedisConnection, RedisLockEngine, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark};

use crate::services_support::services::PrivateRedis;
use crate::suite::{Fixture, engine_contract};

engine_contract!(contract, crate::redis_lock::fixture);

/// Nodes of both engines run side by side while an operator changes the setting.
mod beside_redis_lua {
    crate::suite::contract_cases! { crate::redis_lock::mixed;
        concurrency: [
            ten_thousand_members_at_once_get_a_thousand_coupons,
            one_member_on_many_nodes_at_once_gets_one_coupon,
            a_total_raised_under_load_is_issued_completely,
        ],
        property: [any_sequence_of_steps_agrees_with_the_model],
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

/// A node has its own connection, memory and local locks.
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
    /// Whether the second node runs `redis-lock`, not `redis-lua`.
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

    /// Kills the server and the first node; the second node survives with its memory.
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
