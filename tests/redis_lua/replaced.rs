//! A connection that does not lead to a primary that answers is replaced, and the name is resolved anew.

use std::time::{Duration, Instant};

use openrun::persistence::redis::{ConnectError, LossPolicy, RedisConnection, RedisLuaEngine};
use openrun::ports::{AdmissionEngine, EngineError};

use crate::support::proxy::{Mode, Proxy};
use crate::support::races::until;
use crate::support::services::{PrivateRedis, Redis};
use crate::support::shared::connect_redis;

/// Runs a command on the Redis at `url`.
async fn run(url: &str, words: &[&str]) {
    let mut command = redis::Cmd::new();
    command.arg(words).query_async::<()>(&mut connect_redis(url).await).await.expect("the command is good");
}

/// Sets the number by which these tests know a server.
async fn mark(redis: &PrivateRedis, revision: u64) {
    run(&redis.url(), &["SET", "openrun:revision", &revision.to_string()]).await;
}

/// A Redis with the revision 1, behind a name.
async fn start() -> (PrivateRedis, Proxy) {
    let redis = PrivateRedis::start().await;
    mark(&redis, 1).await;
    let name = Proxy::start(redis.port()).await;
    (redis, name)
}

async fn connect(redis: &PrivateRedis, name: &Proxy, policy: LossPolicy) -> RedisLuaEngine {
    let url = redis.url_through(name.port());
    RedisLuaEngine::new(RedisConnection::connect_with(&url.into(), policy).await.expect("Redis answers"))
}

async fn until_revision(engine: &RedisLuaEngine, wanted: u64) {
    until(&format!("revision {wanted}"), async || {
        engine.revision().await.ok().filter(|revision| *revision == wanted)
    })
    .await;
}

#[tokio::test]
async fn private_a_frozen_server_is_left_after_two_requests_without_an_answer() {
    let (old, name) = start().await;
    let new = PrivateRedis::start().await;
    mark(&new, 2).await;
    let engine = connect(&old, &name, LossPolicy::Ignore).await;
    assert_eq!(engine.revision().await.unwrap(), 1);

    old.pause();
    name.redirect_to(new.port());
    for _ in 0..2 {
        assert!(matches!(engine.revision().await, Err(EngineError::Unavailable(_))));
    }
    assert_eq!(engine.revision().await.unwrap(), 2, "the third request goes to the new server");
    old.resume();
    assert_eq!(engine.revision().await.unwrap(), 2);
}

/// By then another server may have been promoted.
#[tokio::test]
async fn private_a_late_answer_of_a_server_that_was_left_is_not_believed() {
    let (old, name) = start().await;
    let new = PrivateRedis::start().await;
    mark(&new, 2).await;
    let engine = connect(&old, &name, LossPolicy::Ignore).await;
    assert_eq!(engine.revision().await.unwrap(), 1);
    let ask = || {
        let engine = engine.clone();
        tokio::spawn(async move { engine.revision().await })
    };
    name.set(Mode::Hold).await;
    let early = [ask(), ask()];
    // Still waits when the early requests have ended.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = ask();
    for request in early {
        assert!(matches!(request.await.unwrap(), Err(EngineError::Unavailable(_))));
    }
    name.redirect_to(new.port());
    name.set(Mode::Pass).await;
    let answer = late.await.unwrap();
    assert!(matches!(answer, Ok(2) | Err(EngineError::Unavailable(_))), "the old server's: {answer:?}");
}

#[tokio::test]
async fn private_a_single_slow_answer_does_not_replace_the_connection() {
    let (redis, name) = start().await;
    let engine = connect(&redis, &name, LossPolicy::Ignore).await;
    for _ in 0..2 {
        name.set(Mode::Hold).await;
        assert!(engine.revision().await.is_err());
        name.set(Mode::Pass).await;
        assert_eq!(engine.revision().await.unwrap(), 1);
    }
    assert_eq!(name.connections(), 1);
}

#[tokio::test]
async fn private_a_write_refused_by_a_demoted_primary_goes_to_the_new_one_at_once() {
    let (old, name) = start().await;
    let new = PrivateRedis::start().await;
    mark(&new, 5).await;
    let engine = connect(&old, &name, LossPolicy::Ignore).await;
    engine.announce().await.unwrap();

    run(&old.url(), &["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await;
    name.redirect_to(new.port());
    engine.announce().await.unwrap();
    assert_eq!(engine.revision().await.unwrap(), 6, "the new server has the write");
}

#[tokio::test]
async fn private_a_name_that_leads_to_a_replica_is_asked_again_until_it_leads_to_a_primary() {
    let (old, name) = start().await;
    let new = PrivateRedis::start().await;
    mark(&new, 5).await;
    let engine = connect(&old, &name, LossPolicy::Ignore).await;
    run(&old.url(), &["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await;

    let error = until("the refusal of the replica", async || {
        engine.announce().await.err().filter(|error| error.to_string().contains("is a replica, which takes"))
    })
    .await;
    assert!(matches!(error, EngineError::Unavailable(_)), "{error:?}");
    // Requests share attempts to connect, and pauses of up to half a second separate these.
    let (before, end) = (name.connections(), Instant::now() + Duration::from_secs(2));
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                while Instant::now() < end {
                    engine.announce().await.unwrap_err();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let connections = name.connections() - before;
    assert!(connections < 30, "{connections} connections: requests connect one by one, or without a pause");

    name.redirect_to(new.port());
    until("a write on the new server", async || engine.announce().await.ok()).await;
    assert_eq!(engine.revision().await.unwrap(), 6);
}

#[tokio::test]
async fn private_a_replica_is_refused_at_start() {
    let primary = PrivateRedis::start().await;
    let arguments = ["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary.port().to_string()];
    let replica =
        PrivateRedis::start_as(Redis { extra_arguments: arguments.into(), ..Redis::default() }).await;
    let error = RedisConnection::connect(&replica.url().into()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Replica { .. }), "{error:?}");
}

#[tokio::test]
async fn private_a_server_that_would_lose_writes_is_not_used_after_a_reconnect_either() {
    for (setting, bad, good) in
        [("appendfsync", "everysec", "always"), ("no-appendfsync-on-rewrite", "yes", "no")]
    {
        let (old, name) = start().await;
        let new = PrivateRedis::start().await;
        mark(&new, 2).await;
        let refusing = connect(&old, &name, LossPolicy::Refuse).await;
        let accepting = connect(&old, &name, LossPolicy::Accept).await;
        run(&new.url(), &["CONFIG", "SET", setting, bad]).await;
        name.redirect_to(new.port());
        name.set(Mode::Cut).await;
        name.set(Mode::Pass).await;

        until_revision(&accepting, 2).await;
        let error = until("the refusal", async || {
            refusing.revision().await.err().filter(|error| error.to_string().contains(setting))
        })
        .await;
        assert!(matches!(error, EngineError::Unavailable(_)), "{error:?}");

        run(&new.url(), &["CONFIG", "SET", setting, good]).await;
        until_revision(&refusing, 2).await;
    }
}
