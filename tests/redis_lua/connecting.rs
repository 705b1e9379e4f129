//! Connecting, what is said when that fails, and what the server promises to keep.

use openrun::persistence::redis::{ConnectError, Durability, RedisConnection, RedisLuaEngine, ServerReport};
use openrun::ports::{AdmissionEngine, EngineError};

use crate::arrange::coupon;
use crate::support::ports::free_port;
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

async fn refusal(url: String) -> ConnectError {
    RedisConnection::connect(&url.into()).await.expect_err("it must not connect")
}

async fn report(url: String) -> ServerReport {
    let connection = RedisConnection::connect(&url.into()).await.expect("Redis answers");
    ServerReport::read(&connection).await.expect("Redis answers")
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let port = free_port();
    let error = refusal(format!("redis://:hunter2@127.0.0.1:{port}")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("Redis at 127.0.0.1:{port} cannot be reached")), "{text}");
    assert!(!format!("{text} {error:?}").contains("hunter2"), "{text}");
}

#[tokio::test]
async fn no_url_is_told_as_such() {
    let error = refusal("127.0.0.1:6379".to_owned()).await;
    assert!(matches!(error, ConnectError::WrongUrl(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let redis = PrivateRedis::start().await;
    let open = redis.url();
    let connection = RedisConnection::connect(&open.clone().into()).await.unwrap();
    let client = redis::Client::open(open.as_str()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let require = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("correct").to_owned();
    require.query_async::<()>(&mut raw).await.unwrap();

    let with = |password: &str| open.replace("redis://", &format!("redis://:{password}@"));
    for url in [with("hunter2"), open.clone()] {
        let error = refusal(url).await;
        assert!(matches!(error, ConnectError::WrongPassword { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let authorised = RedisConnection::connect(&with("correct").into()).await.unwrap();
    let engine = RedisLuaEngine::new(authorised.clone());
    let shown = format!("{authorised:?} {engine:?} {:?}", engine.outbox());
    assert!(!shown.contains("correct"), "{shown}");

    // Who was connected when the password changed is thrown out, comes back without it, and is told.
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query_async::<()>(&mut raw).await.unwrap();
    let error = RedisLuaEngine::new(connection).load(&coupon(1, 0)).await.unwrap_err();
    assert!(matches!(&error, EngineError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("password"), "{error}");
}

#[tokio::test]
async fn the_redis_of_the_tests_is_as_durable_as_production_must_be() {
    let report = report(redis_url()).await;
    assert_eq!(report.durability, Durability::Full);
    assert_eq!((report.role.as_str(), report.run_id.len()), ("master", 40));
}

#[tokio::test]
async fn what_is_missing_is_told_in_words() {
    let redis = PrivateRedis::start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    for (name, value) in [("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async::<()>(&mut raw).await.unwrap();
    }
    let Durability::Lacking(missing) = report(redis.url()).await.durability else {
        panic!("nothing is missing")
    };
    let expected = ["appendfsync is \"everysec\"", "maxmemory-policy is \"allkeys-lru\""];
    assert_eq!(missing.len(), expected.len(), "{missing:?}");
    assert!(missing.iter().zip(expected).all(|(words, start)| words.starts_with(start)), "{missing:?}");
}

#[tokio::test]
async fn settings_that_may_not_be_read_are_unknown() {
    let redis = PrivateRedis::start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let words = ["SETUSER", "guest", "on", ">guest", "~*", "+@all", "-config"];
    redis::cmd("ACL").arg(&words).query_async::<()>(&mut raw).await.unwrap();
    let url = redis.url().replace("redis://", "redis://guest:guest@");
    assert!(matches!(report(url).await.durability, Durability::Unknown(_)));
}
