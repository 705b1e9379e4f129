//! Sentinels name the primary.

use openrun::persistence::redis::{ConnectError, LossPolicy, RedisConnection, RedisLuaEngine};
use openrun::ports::AdmissionEngine;

use crate::support::ports::free_port;
use crate::support::races::until;
use crate::support::services::{Private, PrivateRedis, Redis, Sentinel, SentinelSet};

async fn connect(url: String) -> Result<RedisLuaEngine, ConnectError> {
    RedisConnection::connect_with(&url.into(), LossPolicy::Refuse).await.map(RedisLuaEngine::new)
}

async fn sentinel(primary_port: u16, settings: &[&str]) -> Private<Sentinel> {
    let settings = settings.iter().map(|line| (*line).to_owned()).collect();
    Private::start_as(Sentinel { primary_port, settings }).await
}

#[tokio::test]
async fn private_the_promoted_server_is_found_while_only_one_sentinel_answers() {
    let mut set = SentinelSet::start().await;
    let engine = connect(set.url()).await.unwrap();
    engine.announce().await.unwrap();
    let old_port = set.primary().await.port();
    set.primary().await.kill();
    set.until_promoted(old_port).await;
    set.sentinels()[0].kill();
    set.sentinels()[1].pause();
    until("a write on the promoted server", async || engine.announce().await.ok()).await;
    assert!(engine.revision().await.unwrap() >= 1);
    connect(set.url()).await.expect("a node starts while only one sentinel answers");
}

/// A sentinel that was cut off from the others names the primary of before.
#[tokio::test]
async fn private_a_sentinel_that_names_a_replica_is_not_believed() {
    let primary = PrivateRedis::start().await;
    let arguments = ["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary.port().to_string()];
    let replica =
        PrivateRedis::start_as(Redis { extra_arguments: arguments.into(), ..Redis::default() }).await;
    // A quorum of two, which this sentinel alone never has.
    let (stale, right) = (sentinel(replica.port(), &[]).await, sentinel(primary.port(), &[]).await);
    let hosts = |ports: &[u16]| {
        let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/mymaster", hosts.join(","))
    };
    connect(hosts(&[stale.port(), right.port()])).await.unwrap().announce().await.unwrap();
    let error = connect(hosts(&[stale.port()])).await.unwrap_err();
    assert!(error.to_string().contains("is a replica"), "{error}");
}

#[tokio::test]
async fn private_a_sentinel_with_a_password_is_given_the_one_of_the_url() {
    let extra_arguments = ["--requirepass", "s3cret"].map(str::to_owned).into();
    let redis = PrivateRedis::start_as(Redis { extra_arguments, ..Redis::default() }).await;
    let auth = "sentinel auth-pass mymaster s3cret";
    for settings in [&[auth][..], &[auth, "requirepass s3cret"]] {
        let sentinel = sentinel(redis.port(), settings).await;
        let url = format!("redis-sentinel://:s3cret@127.0.0.1:{}/mymaster/1", sentinel.port());
        connect(url).await.unwrap();
    }
}

#[tokio::test]
async fn private_sentinels_that_know_no_primary_are_named_without_the_password() {
    let primary = PrivateRedis::start().await;
    let (sentinel, nothing) = (sentinel(primary.port(), &[]).await, free_port());
    let url =
        format!("redis-sentinel://:hunter2@127.0.0.1:{nothing},127.0.0.1:{}/yourmaster", sentinel.port());
    let error = connect(url).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoPrimary { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("\"yourmaster\"") && text.contains(&nothing.to_string()), "{text}");
    assert!(text.contains(&format!("{} does not watch it", sentinel.port())), "{text}");
    assert!(!format!("{text} {error:?}").contains("hunter2"), "{text}");
}
