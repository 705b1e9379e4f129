//! Two Redis servers answer as the primary. One of them is recorded, and no other one issues.

use std::collections::HashSet;
use std::net::SocketAddr;

use redis::AsyncTypedCommands;
use serde_json::Value;

use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, request_coupon, until, until_persisted};
use crate::support::services::PrivateRedis;
use crate::support::shared::connect_redis;

const TOTAL: u32 = 100;
const OTHER_REDIS: &str = "connected to another Redis than the nodes that serve the coupon";

/// Makes `replica` a copy of `primary` that follows it no longer, while `primary` goes on taking writes.
async fn promote_copy(primary: &str, replica: &str) {
    let address = url::Url::parse(primary).expect("it is a URL");
    let (host, port) = (address.host_str().expect("it has a host"), address.port().expect("it has a port"));
    let mut copy = connect_redis(replica).await;
    redis::cmd("REPLICAOF").arg(host).arg(port).exec_async(&mut copy).await.expect("it obeys");
    until("a replica that is in step", async || {
        let mut copy = connect_redis(replica).await;
        let info: String = redis::cmd("INFO").arg("replication").query_async(&mut copy).await.ok()?;
        info.contains("master_link_status:up").then_some(())
    })
    .await;
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut copy).await.expect("it obeys");
}

/// The members of `names` that got a coupon from `node`, with the sequence of each.
async fn request_all(node: SocketAddr, names: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut issued = Vec::new();
    for name in names {
        let (status, body) = request_coupon(node, "drop", &name).await;
        if matches!(status, 200 | 201) {
            issued.push((name, body["sequence"].as_u64().expect("an issuance has a sequence")));
        }
    }
    issued
}

async fn until_serving(node: SocketAddr, member: &str) -> Value {
    until("a node that serves", async || {
        let (status, body) = request_coupon(node, "drop", member).await;
        matches!(status, 200 | 201 | 409).then_some(body)
    })
    .await
}

async fn until_logged(node: &NodeProcess, words: &str) {
    until(words, async || node.log().contains(words).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_primary_that_still_takes_writes_issues_nothing_more() {
    let (old, new) = tokio::join!(PrivateRedis::start(), PrivateRedis::start());
    let stack = Stack::with_redis(&old.url()).await;
    let one = NodeProcess::redis_lua(&stack).start().await;
    races::create_coupon(one.address(), "drop", TOTAL).await;
    let mut told = request_all(one.address(), (0..10).map(|n| format!("early{n}"))).await;
    assert_eq!(told.len(), 10);

    promote_copy(&old.url(), &new.url()).await;
    let other = NodeProcess::redis_lua(&stack).set("OPENRUN_REDIS_URL", new.url()).start().await;
    let names = |prefix: &'static str| (0..2 * TOTAL).map(move |n| format!("{prefix}{n}"));
    let (here, there) =
        tokio::join!(request_all(one.address(), names("here")), request_all(other.address(), names("there")));
    told.extend(here);
    told.extend(there);

    until_serving(other.address(), "late").await;
    told.extend(request_all(other.address(), names("rest")).await);
    let rows = until_persisted(&stack.database_url, "drop", TOTAL).await;
    assert_eq!(rows.len(), TOTAL as usize);
    let sequences: HashSet<u64> = told.iter().map(|(_, sequence)| *sequence).collect();
    assert_eq!(sequences.len(), told.len(), "no sequence is given to two members");
    for (member, sequence) in &told {
        let is_theirs =
            rows.iter().any(|(number, holder, _)| holder == member && u64::from(*number) == *sequence);
        assert!(is_theirs, "{member} has sequence {sequence} in the database");
    }
    until_logged(&one, OTHER_REDIS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_the_wrong_redis_takes_no_coupon_from_the_others() {
    let (right, wrong) = tokio::join!(PrivateRedis::start(), PrivateRedis::start());
    let stack = Stack::with_redis(&right.url()).await;
    let one = NodeProcess::redis_lua(&stack).start().await;
    races::create_coupon(one.address(), "drop", TOTAL).await;
    let before = request_all(one.address(), (0..10).map(|n| format!("early{n}"))).await;

    let other = NodeProcess::redis_lua(&stack).set("OPENRUN_REDIS_URL", wrong.url()).start().await;
    until_logged(&other, OTHER_REDIS).await;
    let (status, problem) = request_coupon(other.address(), "drop", "early0").await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("recovering")));
    let after = request_all(one.address(), (0..20).map(|n| format!("early{n}"))).await;
    assert_eq!(after[..10], before[..], "their coupons are the same");
    assert_eq!(after.len(), 20, "the nodes on the right Redis go on");
    assert!(!one.log().contains("the engine may have lost something"), "no recovery was opened");
    let keys = connect_redis(&wrong.url()).await.keys("coupon:*").await.expect("Redis answers");
    assert!(keys.is_empty(), "{keys:?}");
}
