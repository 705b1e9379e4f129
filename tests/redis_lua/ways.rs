//! The ways to Redis: a unix socket, and a user with no more rights than needed.

use openrun::persistence::redis::{LossPolicy, RedisConnection, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark};

use crate::arrange::{coupon, requests, sequences};
use crate::support::services::{PrivateRedis, Redis};
use crate::support::shared::connect_redis;

/// The rights of docs/configuration.md.
const RIGHTS: &str = "~coupon:* ~openrun:* -@all +@read +@write +@connection +@scripting +time +info \
                      +config|get";

/// Loads a coupon, issues it, loses it and verifies it again: every kind of script.
async fn assert_all_works(url: String) {
    let connection =
        RedisConnection::connect_with(&url.into(), LossPolicy::Refuse).await.expect("Redis permits it");
    let engine = RedisLuaEngine::new(connection);
    let coupon = coupon(2, 0);
    engine.load(&coupon).await.expect("Redis permits it");
    let answer = engine.admit(&coupon.id, &requests(&["a", "b", "c"])).await.expect("Redis permits it");
    assert_eq!(sequences(&answer), [1, 2, 0]);
    assert_eq!(engine.holders(&coupon.id, 0).await.expect("Redis permits it").holders.len(), 2);
    assert_eq!(engine.coupons(0).await.expect("Redis permits it").coupons, [coupon.id.clone()]);
    assert!(engine.revision().await.expect("Redis permits it") > 0);
    engine.suspend(&coupon.id).await.expect("Redis permits it");
    engine.verify(&coupon, HighWatermark { epoch: 0, issued: 2 }).await.expect("Redis permits it");
    engine.resume(&coupon.id).await.expect("Redis permits it");
}

#[tokio::test]
async fn private_a_unix_socket_is_a_way() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let extra_arguments = ["--unixsocket", socket].map(str::to_owned).into();
    let _redis = PrivateRedis::start_as(Redis { extra_arguments, ..Redis::default() }).await;
    for (scheme, database) in [("redis+unix", 0), ("unix", 1)] {
        assert_all_works(format!("{scheme}://{socket}?db={database}")).await;
    }
}

#[tokio::test]
async fn private_a_user_with_the_documented_rights_can_do_everything() {
    let redis = PrivateRedis::start().await;
    let mut command = redis::cmd("ACL");
    command.arg(&["SETUSER", "openrun", "reset", "on", ">s3cret"]);
    command.arg(RIGHTS.split_whitespace().collect::<Vec<_>>());
    command.query_async::<()>(&mut connect_redis(&redis.url()).await).await.unwrap();
    assert_all_works(redis.url().replace("redis://", "redis://openrun:s3cret@")).await;
}
