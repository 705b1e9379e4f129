//! Redis is killed, or loses what it had: the gate closes until the database proves that nothing is missing.

use std::time::{Duration, Instant};

use redis::AsyncTypedCommands;

use crate::arrange::start_at_home;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, until, until_issued, until_persisted, winners,
};
use crate::support::services::PrivateRedis;

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_500;
const CLIENTS: usize = 64;
/// How long a node is watched that must not issue.
const WATCH: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_in_a_race_is_verified_and_goes_on() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    races::create_coupon(node.address(), "drop", TOTAL).await;
    let racing = races::spawn(races::config(node.address(), "drop", MEMBERS, CLIENTS));
    let issued = until_issued(node.address(), "drop", TOTAL / 3).await;
    assert!(issued < TOTAL, "the race was over before the kill");
    redis.kill();
    redis.restart().await;
    let report = racing.await.expect("the race does not panic");
    eprintln!("redis killed: {}", races::figures(&report));
    assert!(report.shed > 0, "nobody was sent away while Redis was killed");
    assert_promise_kept(&report, TOTAL);
    assert_eq!(winners(&report.told), TOTAL as usize, "none is stranded");
    assert_rows(&until_persisted(&stack.database_url, "drop", TOTAL).await, &report.told, TOTAL);
    assert!(node.log().contains("the engine has been verified"), "it was accepted without a look");
}

/// Panics unless `node` sends everybody away for a while, and for the right reason.
async fn assert_recovering(node: &NodeProcess, member_prefix: &str) {
    until("the word 'recovering'", async || {
        let (status, problem) = ask(node.address(), "drop", &format!("{member_prefix}first")).await;
        assert_eq!(status, 503, "{problem}");
        (problem["code"] == "recovering").then_some(())
    })
    .await;
    let begun = Instant::now();
    for number in 0.. {
        let (status, problem) = ask(node.address(), "drop", &format!("{member_prefix}{number}")).await;
        assert_eq!((status, problem["code"].as_str()), (503, Some("recovering")), "{problem}");
        if begun.elapsed() > WATCH {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_everything_never_issues_from_a_fresh_stock() {
    const ISSUED: u32 = 50;
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let mut node = start_at_home(NodeProcess::redis_lua(&stack)).await;
    races::create_coupon(node.address(), "drop", 2 * ISSUED).await;
    let report = races::run(races::config(node.address(), "drop", ISSUED.into(), CLIENTS)).await;
    until_persisted(&stack.database_url, "drop", ISSUED).await;

    let client = redis::Client::open(redis.url()).expect("the URL is good");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    connection.flushall().await.expect("it is ours");
    // Neither the node that knows what it has issued, nor one that knows only what the database has.
    assert_recovering(&node, "late-").await;
    node.kill();
    node.restart().await;
    assert_recovering(&node, "later-").await;
    let other = NodeProcess::redis_lua(&stack).start().await;
    assert_recovering(&other, "latest-").await;
    assert_rows(&until_persisted(&stack.database_url, "drop", ISSUED).await, &report.told, ISSUED);
}
