//! Connecting, its errors, and the durability of the server.

use openrun::persistence::redis::{ConnectError, Durability, RedisConnection, RedisLuaEngine, ServerReport};
use openrun::ports::{AdmissionEngine, EngineError};

use crate::arrange::coupon;
use crate::support::ports::free_port;
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

async fn connect_error(url: String) -> ConnectError {
    RedisConnection::connect(&url.into()).await.expect_err("the connection must fail")
}

async fn report(url: String) -> ServerReport {
    let connection = RedisConnection::connect(&url.into()).await.expect("Redis answers");
    ServerReport::read(&connection).await.expect("Redis answers")
}

#[tokio::test]
async fn an_unreachable_server_is_named_with_its_address() {
    let port = free_port();
    let error = connect_error(format!("redis://:hunter2@127.0.0.1:{port}")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("Redis at 127.0.0.1:{port} cannot be reached")), "{text}");
    assert!(!format!("{text} {error:?}").contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_malformed_url_is_reported() {
    let error = connect_error("127.0.0.1:6379".to_owned()).await;
    assert!(matches!(error, ConnectError::WrongUrl(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_reported_and_never_shown() {
    let redis = PrivateRedis::start().await;
    let open = redis.url();
    let connection = RedisConnection::connect(&open.clone().into()).await.unwrap();
    let client = redis::Client::open(open.as_str()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let require = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("correct").to_owned();
    require.query_async::<()>(&mut raw).await.unwrap();

    let with = |password: &str| open.replace("redis://", &format!("redis://:{password}@"));
    for url in [with("hunter2"), open.clone()] {
        let error = connect_error(url).await;
        assert!(matches!(error, ConnectError::WrongPassword { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let authorised = RedisConnection::connect(&with("correct").into()).await.unwrap();
    let engine = RedisLuaEngine::new(authorised.clone());
    let shown = format!("{authorised:?} {engine:?} {:?}", engine.outbox());
    assert!(!shown.contains("correct"), "{shown}");

    // After its connection was killed, a client without the new password reconnects and gets an error.
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
async fn each_missing_setting_is_named() {
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
async fn unreadable_settings_are_unknown() {
    let redis = PrivateRedis::start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let words = ["SETUSER", "guest", "on", ">guest", "~*", "+@all", "-config"];
    redis::cmd("ACL").arg(&words).query_async::<()>(&mut raw).await.unwrap();
    let url = redis.url().replace("redis://", "redis://guest:guest@");
    assert!(matches!(report(url).await.durability, Durability::Unknown(_)));
}
