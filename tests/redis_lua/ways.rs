//! The ways to Redis: a unix socket, and a user with no more rights than needed.

use openrun::domain::Reconfiguration;
use openrun::persistence::redis::{LossPolicy, RedisConnection, RedisLockEngine, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineError, EngineRecovery, HighWatermark, Outbox, Round};

use crate::arrange::{coupon, member, requests, sequences};
use crate::rebuild::Rows;
use crate::support::services::{PrivateRedis, Redis};
use crate::support::shared::connect_redis;

/// The rights of docs/configuration.md.
const RIGHTS: &str = "~coupon:* ~openrun:* -@all +@read +@write +@connection +@scripting +time +info \
                      +config|get";

/// Calls everything that runs a script or a command, on both engines.
async fn call_everything(url: String) -> Result<(), EngineError> {
    let connection = RedisConnection::connect_with(&url.into(), LossPolicy::Refuse).await;
    let lua = RedisLuaEngine::new(connection.expect("Redis answers"));
    let (lock, outbox) = (RedisLockEngine::new(lua.clone()), lua.outbox());
    let coupon = coupon(3, 0);
    let id = &coupon.id;
    lua.load(&coupon).await?;
    assert_eq!(sequences(&lua.admit(id, &requests(&["m1"])).await?), [1]);
    assert_eq!(sequences(&lock.admit(id, &requests(&["m2"])).await?), [2]);
    assert!(lua.find(id, &member("m1")).await?.is_some());
    assert_eq!(lua.holders(id, 0).await?.holders.len(), 2);
    assert_eq!(lua.coupons(0).await?.coupons.len(), 1);
    assert!(lua.revision().await? > 0);
    let raise = Reconfiguration { total: Some(5), ..Reconfiguration::default() };
    lua.reconfigure(id, raise).await?.expect("a total may grow");
    assert_eq!(outbox.pending(id, 0, 10).await?.len(), 2);
    outbox.trim(id, 1).await?;
    assert_eq!(outbox.depth(id).await?, 1);
    let evidence = HighWatermark { epoch: 0, issued: 2 };
    lua.suspend(id).await?;
    let suspension = lua.suspend(&coupon.id).await?;
    lua.verify(&coupon, &suspension, evidence).await?;
    lua.halt_and_report(id);
    let suspension = lua.suspend(&coupon.id).await?;
    lua.rebuild(&coupon, Round(1), &suspension, evidence, &Rows::of(&coupon, 1..=2).await.store).await?;
    lua.resume(id).await?;
    assert_eq!(sequences(&lua.admit(id, &requests(&["m3"])).await?), [3]);
    Ok(())
}

#[tokio::test]
async fn private_a_unix_socket_is_a_way() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let extra_arguments = ["--unixsocket", socket].map(str::to_owned).into();
    let _redis = PrivateRedis::start_as(Redis { extra_arguments, ..Redis::default() }).await;
    for (scheme, database) in [("redis+unix", 0), ("unix", 1)] {
        call_everything(format!("{scheme}://{socket}?db={database}")).await.unwrap();
    }
}

#[tokio::test]
async fn private_a_user_with_the_documented_rights_can_do_everything() {
    let redis = PrivateRedis::start().await;
    let mut command = redis::cmd("ACL");
    command.arg(&["SETUSER", "openrun", "reset", "on", ">s3cret"]);
    command.arg(RIGHTS.split_whitespace().collect::<Vec<_>>());
    command.query_async::<()>(&mut connect_redis(&redis.url()).await).await.unwrap();
    call_everything(redis.url().replace("redis://", "redis://openrun:s3cret@")).await.unwrap();
}
