//! The name of Redis moves to a promoted replica: nodes follow it, although their connections to the demoted primary
//! stay open.

use redis::Cmd;

use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::Proxy;
use crate::support::races::{self, request_coupon, until, until_persisted};
use crate::support::services::{PrivateRedis, Redis};
use crate::support::shared::connect_redis;

/// Runs a command on the Redis at `url`.
async fn run(url: &str, words: &[&str]) {
    let mut command = Cmd::new();
    command.arg(words).query_async::<()>(&mut connect_redis(url).await).await.expect("the command is good");
}

/// A replica that has the data of the Redis on `primary`.
async fn replica_of(primary: &PrivateRedis) -> PrivateRedis {
    let port = primary.port().to_string();
    let arguments = ["--replicaof", "127.0.0.1", &port].map(str::to_owned);
    let replica =
        PrivateRedis::start_as(Redis { extra_arguments: arguments.into(), ..Redis::default() }).await;
    until("a replica in step", async || {
        let mut connection = connect_redis(&replica.url()).await;
        let text: String = redis::cmd("INFO").arg("replication").query_async(&mut connection).await.ok()?;
        text.contains("master_link_status:up").then_some(())
    })
    .await;
    replica
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_leaves_a_demoted_primary_whose_connections_stay_open() {
    let old = PrivateRedis::start().await;
    let new = replica_of(&old).await;
    let name = Proxy::start(old.port()).await;
    let stack = Stack::with_redis(&old.url_through(name.port())).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    races::create_coupon(node.address(), "drop", 100).await;
    assert_eq!(request_coupon(node.address(), "drop", "before").await.1["sequence"], 1);
    until_persisted(&stack.database_url, "drop", 1).await;

    run(&new.url(), &["REPLICAOF", "NO", "ONE"]).await;
    run(&old.url(), &["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await;
    name.redirect_to(new.port());

    let (_, body) = until("a coupon from the promoted replica", async || {
        let answer = request_coupon(node.address(), "drop", "after").await;
        assert!(matches!(answer.0, 200 | 201 | 503), "{answer:?}");
        (answer.0 != 503).then_some(answer)
    })
    .await;
    assert_eq!(body["sequence"], 2);
    let (status, body) = request_coupon(node.address(), "drop", "before").await;
    assert_eq!((status, &body["sequence"]), (200, &1.into()), "the issuance from before is lost");
}
