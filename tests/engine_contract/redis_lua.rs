//! The contract against the Redis engine, with a server per test.

use std::sync::Arc;

use async_trait::async_trait;
use openrun::domain::Coupon;
use openrun::persistence::redis::{RedisConnection, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark};

use crate::services_support::services::PrivateRedis;
use crate::suite::{Fixture, engine_contract};

engine_contract!(contract, crate::redis_lua::fixture);

pub(crate) async fn fixture() -> impl Fixture {
    let redis = PrivateRedis::start().await;
    RedisLua { first: node(&redis).await, second: node(&redis).await, redis }
}

/// A node has its own connection and memory.
async fn node(redis: &PrivateRedis) -> Arc<RedisLuaEngine> {
    let connection = RedisConnection::connect(&redis.url().into()).await.expect("Redis answers");
    Arc::new(RedisLuaEngine::new(connection))
}

struct RedisLua {
    first: Arc<RedisLuaEngine>,
    second: Arc<RedisLuaEngine>,
    redis: PrivateRedis,
}

#[async_trait]
impl Fixture for RedisLua {
    fn engine(&self) -> Arc<dyn AdmissionEngine> {
        self.first.clone()
    }

    fn second_node_engine(&self) -> Arc<dyn AdmissionEngine> {
        self.second.clone()
    }

    /// Kills the server and the first node; the second node survives with its memory.
    async fn reopen(&mut self) {
        self.redis.restart().await;
        self.first = node(&self.redis).await;
    }

    async fn recover(&self, coupon: &Coupon, rows: u32) {
        for node in [&self.first, &self.second] {
            node.halt_and_report(&coupon.id);
        }
        let evidence = HighWatermark { epoch: 0, issued: rows };
        self.first.verify(coupon, evidence).await.expect("nothing was lost");
        for node in [&self.first, &self.second] {
            node.resume(&coupon.id).await.expect("it is verified");
        }
    }
}
