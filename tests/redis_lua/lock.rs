//! The lock of `redis-lock`: a late holder writes nothing, and every wait is bounded.

use openrun::domain::{Coupon, Lifecycle, Reconfiguration};
use openrun::persistence::redis::RedisLockEngine;
use openrun::ports::{AdmissionEngine, EngineError, Outbox};

use crate::arrange::{Node, TRACE, key, requests, sequences};
use crate::support::shared::redis_url;

const WRITE: &str = concat!(include_str!("../../lua/coupon.lua"), include_str!("../../lua/admit_held.lua"));
const TAKE: &str = include_str!("../../lua/lock_take.lua");
const RELEASE: &str = include_str!("../../lua/lock_release.lua");

/// The call of `admit_held.lua` by a holder of the lock.
struct Write<'a> {
    coupon: &'a Coupon,
    token: &'a str,
    issued: &'a str,
    members: &'a [&'a str],
}

impl Write<'_> {
    /// Gives the status of the answer.
    async fn send(&self, node: &Node) -> String {
        let id = &self.coupon.id;
        let mut command = vec!["EVAL".to_owned(), WRITE.to_owned(), "5".to_owned()];
        command.extend(["meta", "stock", "participants", "outbox", "turn"].map(|part| key(id, part)));
        let life: Vec<String> = node.raw(&["HMGET", &key(id, "meta"), "epoch", "run_id"]).await;
        let count = self.members.len().to_string();
        let now_ms = "1700000000000".to_owned();
        command.extend([
            life.join("@"),
            "0".to_owned(),
            self.token.to_owned(),
            self.issued.to_owned(),
            now_ms,
            count,
        ]);
        command.extend(self.members.iter().map(|member| (*member).to_owned()));
        command.extend(self.members.iter().map(|_| TRACE.to_owned()));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer: Vec<redis::Value> = node.raw(&command).await;
        let status = answer.into_iter().next().expect("a status");
        redis::from_redis_value(status).expect("a status is text")
    }
}

async fn take(node: &Node, coupon: &Coupon, token: &str, lease_ms: &str) -> String {
    let (lock, turn) = (key(&coupon.id, "lock"), key(&coupon.id, "turn"));
    node.raw::<u64>(&["EVAL", TAKE, "2", &lock, &turn, token, lease_ms]).await.to_string()
}

#[tokio::test]
async fn a_holder_with_an_outdated_fencing_token_writes_nothing() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let late = take(&node, &coupon, "one", "60000").await;
    node.raw::<u64>(&["DEL", &key(&coupon.id, "lock")]).await;
    let token = take(&node, &coupon, "other", "60000").await;
    let before = node.dump(&coupon.id).await;
    let write = Write { coupon: &coupon, token: &late, issued: "0", members: &["a", "b"] };
    assert_eq!(write.send(&node).await, "LATE");
    assert!(node.dump(&coupon.id).await == before, "something has been written");
    assert_eq!(Write { token: &token, ..write }.send(&node).await, "OK");
    assert_eq!(node.engine.standing(&coupon.id).await.unwrap().inventory.issued(), 2);
}

#[tokio::test]
async fn a_repeated_write_has_no_effect() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let token = take(&node, &coupon, "one", "60000").await;
    let write = Write { coupon: &coupon, token: &token, issued: "0", members: &["a", "b"] };
    assert_eq!(write.send(&node).await, "OK");
    let before = node.dump(&coupon.id).await;
    assert_eq!(write.send(&node).await, "OK", "the first answer may have been lost");
    node.raw::<u64>(&["INCR", &key(&coupon.id, "turn")]).await;
    assert_eq!(write.send(&node).await, "OK", "also after other nodes have taken the lock");
    assert!(node.dump(&coupon.id).await == before, "something has been written");
}

#[tokio::test]
async fn a_decision_from_an_outdated_state_is_not_written() {
    let node = Node::at(&redis_url()).await;
    let change = |lifecycle, total| Reconfiguration { lifecycle, total, window: None };
    for (case, change) in [
        ("issued by a script", None),
        ("paused", Some(change(Some(Lifecycle::Paused), None))),
        ("lowered", Some(change(None, Some(1)))),
    ] {
        let coupon = node.open_coupon(5).await;
        let token = take(&node, &coupon, "one", "60000").await;
        match change {
            Some(change) => drop(node.engine.reconfigure(&coupon.id, change).await.unwrap().unwrap()),
            None => drop(node.admit(&coupon.id, &["faster"]).await.unwrap()),
        }
        let before = node.dump(&coupon.id).await;
        let write = Write { coupon: &coupon, token: &token, issued: "0", members: &["a", "b"] };
        assert_eq!(write.send(&node).await, "LATE", "{case}");
        assert!(node.dump(&coupon.id).await == before, "{case}: something has been written");
    }
}

#[tokio::test]
async fn the_lock_has_one_holder_at_a_time() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    assert_eq!(take(&node, &coupon, "one", "60000").await, "1");
    assert_eq!(
        take(&node, &coupon, "one", "60000").await,
        "1",
        "a repeated call, whose first answer may have been lost"
    );
    assert_eq!(take(&node, &coupon, "other", "60000").await, "0");
    let lock = key(&coupon.id, "lock");
    assert_eq!(
        node.raw::<u64>(&["EVAL", RELEASE, "1", &lock, "other"]).await,
        0,
        "only the holder releases the lock"
    );
    assert_eq!(node.raw::<String>(&["GET", &lock]).await, "one");
    assert_eq!(node.raw::<u64>(&["EVAL", RELEASE, "1", &lock, "one"]).await, 1);
    assert_eq!(take(&node, &coupon, "other", "60000").await, "2");
}

#[tokio::test]
async fn the_lease_of_a_dead_node_is_waited_out_and_a_longer_lock_is_busy() {
    let node = Node::at(&redis_url()).await;
    let engine = RedisLockEngine::new(node.engine.clone());
    let coupon = node.open_coupon(5).await;
    take(&node, &coupon, "dead", "500").await;
    let answer = engine.admit(&coupon.id, &requests(&["a"])).await.expect("the lease ends");
    assert_eq!(sequences(&answer), [1]);
    assert_eq!(node.raw::<u64>(&["EXISTS", &key(&coupon.id, "lock")]).await, 0, "the lock was released");

    take(&node, &coupon, "slow", "60000").await;
    let before = node.dump(&coupon.id).await;
    let answer = engine.admit(&coupon.id, &requests(&["b"])).await;
    assert!(matches!(answer, Err(EngineError::Busy(_))), "{answer:?}");
    assert!(node.dump(&coupon.id).await == before, "nothing was decided");
}

#[tokio::test]
async fn its_decisions_are_in_the_outbox_with_their_traces() {
    let node = Node::at(&redis_url()).await;
    let engine = RedisLockEngine::new(node.engine.clone());
    let coupon = node.open_coupon(3).await;
    engine.admit(&coupon.id, &requests(&["a", "traced", "a"])).await.unwrap();
    engine.admit(&coupon.id, &requests(&["a", "b", "late"])).await.unwrap();
    let entries = node.engine.outbox().pending(&coupon.id, 0, 100).await.unwrap();
    let members: Vec<_> = entries.iter().map(|entry| entry.member.as_str()).collect();
    assert_eq!(members, ["a", "traced", "b"]);
    assert!(entries[0].traceparent.is_none() && entries[1].traceparent.is_some());
    for entry in &entries {
        assert_eq!(engine.find(&coupon.id, &entry.member).await.unwrap(), Some(entry.grant));
    }
}
