//! The lock of `redis-lock`: whoever comes too late writes nothing, and nobody waits for ever.

use openrun::domain::{Coupon, Lifecycle, Reconfiguration};
use openrun::persistence::redis::RedisLockEngine;
use openrun::ports::{AdmissionEngine, EngineError, Outbox};

use crate::arrange::{Node, TRACE, key, requests, sequences};
use crate::support::shared::redis_url;

const WRITE: &str = concat!(include_str!("../../lua/coupon.lua"), include_str!("../../lua/admit_held.lua"));
const TAKE: &str = include_str!("../../lua/lock_take.lua");
const RELEASE: &str = include_str!("../../lua/lock_release.lua");

/// What a holder of the lock writes, as it sends it.
struct Writing<'a> {
    coupon: &'a Coupon,
    turn: &'a str,
    issued: &'a str,
    members: &'a [&'a str],
}

impl Writing<'_> {
    /// The first word of the answer.
    async fn send(&self, node: &Node) -> String {
        let id = &self.coupon.id;
        let mut command = vec!["EVAL".to_owned(), WRITE.to_owned(), "5".to_owned()];
        command.extend(["meta", "stock", "participants", "outbox", "turn"].map(|part| key(id, part)));
        let epoch: String = node.raw(&["HGET", &key(id, "meta"), "epoch"]).await;
        let count = self.members.len().to_string();
        let now_ms = "1700000000000".to_owned();
        command.extend([epoch, "0".to_owned(), self.turn.to_owned(), self.issued.to_owned(), now_ms, count]);
        command.extend(self.members.iter().map(|member| (*member).to_owned()));
        command.extend(self.members.iter().map(|_| TRACE.to_owned()));
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer: Vec<redis::Value> = node.raw(&command).await;
        let first = answer.into_iter().next().expect("a word");
        redis::from_redis_value(first).expect("it is text")
    }
}

async fn take(node: &Node, coupon: &Coupon, token: &str, lease_ms: &str) -> String {
    let (lock, turn) = (key(&coupon.id, "lock"), key(&coupon.id, "turn"));
    node.raw::<u64>(&["EVAL", TAKE, "2", &lock, &turn, token, lease_ms]).await.to_string()
}

#[tokio::test]
async fn a_holder_after_whom_somebody_has_taken_the_lock_writes_nothing() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let late = take(&node, &coupon, "one", "60000").await;
    node.raw::<u64>(&["DEL", &key(&coupon.id, "lock")]).await;
    let turn = take(&node, &coupon, "other", "60000").await;
    let before = node.dump(&coupon.id).await;
    let write = Writing { coupon: &coupon, turn: &late, issued: "0", members: &["a", "b"] };
    assert_eq!(write.send(&node).await, "LATE");
    assert!(node.dump(&coupon.id).await == before, "something has been written");
    assert_eq!(Writing { turn: &turn, ..write }.send(&node).await, "OK");
    assert_eq!(node.engine.standing(&coupon.id).await.unwrap().inventory.issued(), 2);
}

#[tokio::test]
async fn what_is_written_again_is_written_once() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let turn = take(&node, &coupon, "one", "60000").await;
    let write = Writing { coupon: &coupon, turn: &turn, issued: "0", members: &["a", "b"] };
    assert_eq!(write.send(&node).await, "OK");
    let before = node.dump(&coupon.id).await;
    assert_eq!(write.send(&node).await, "OK", "the answer to the first may have been lost");
    node.raw::<u64>(&["INCR", &key(&coupon.id, "turn")]).await;
    assert_eq!(write.send(&node).await, "OK", "also when others have had their turn since");
    assert!(node.dump(&coupon.id).await == before, "something has been written");
}

#[tokio::test]
async fn what_is_no_longer_as_it_was_read_is_not_written() {
    let node = Node::at(&redis_url()).await;
    let change = |lifecycle, total| Reconfiguration { lifecycle, total, window: None };
    for (what, change) in [
        ("issued by a script", None),
        ("paused", Some(change(Some(Lifecycle::Paused), None))),
        ("lowered", Some(change(None, Some(1)))),
    ] {
        let coupon = node.open_coupon(5).await;
        let turn = take(&node, &coupon, "one", "60000").await;
        match change {
            Some(change) => drop(node.engine.reconfigure(&coupon.id, change).await.unwrap().unwrap()),
            None => drop(node.admit(&coupon.id, &["faster"]).await.unwrap()),
        }
        let before = node.dump(&coupon.id).await;
        let write = Writing { coupon: &coupon, turn: &turn, issued: "0", members: &["a", "b"] };
        assert_eq!(write.send(&node).await, "LATE", "{what}");
        assert!(node.dump(&coupon.id).await == before, "{what}: something has been written");
    }
}

#[tokio::test]
async fn the_lock_is_one_holders_until_the_lease_ends() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    assert_eq!(take(&node, &coupon, "one", "60000").await, "1");
    assert_eq!(take(&node, &coupon, "one", "60000").await, "1", "its answer may have been lost");
    assert_eq!(take(&node, &coupon, "other", "60000").await, "0");
    let lock = key(&coupon.id, "lock");
    assert_eq!(node.raw::<u64>(&["EVAL", RELEASE, "1", &lock, "other"]).await, 0, "it is not the other's");
    assert_eq!(node.raw::<String>(&["GET", &lock]).await, "one");
    assert_eq!(node.raw::<u64>(&["EVAL", RELEASE, "1", &lock, "one"]).await, 1);
    assert_eq!(take(&node, &coupon, "other", "60000").await, "2");
}

#[tokio::test]
async fn a_lock_that_a_dead_node_left_is_waited_for_and_a_living_one_not_for_ever() {
    let node = Node::at(&redis_url()).await;
    let engine = RedisLockEngine::new(node.engine.clone());
    let coupon = node.open_coupon(5).await;
    take(&node, &coupon, "dead", "500").await;
    let answer = engine.admit(&coupon.id, &requests(&["a"])).await.expect("its lease ends");
    assert_eq!(sequences(&answer), [1]);
    assert_eq!(node.raw::<u64>(&["EXISTS", &key(&coupon.id, "lock")]).await, 0, "it was given back");

    take(&node, &coupon, "slow", "60000").await;
    let before = node.dump(&coupon.id).await;
    let answer = engine.admit(&coupon.id, &requests(&["b"])).await;
    assert!(matches!(answer, Err(EngineError::Busy(_))), "{answer:?}");
    assert!(node.dump(&coupon.id).await == before, "nothing was decided");
}

#[tokio::test]
async fn what_it_decides_is_in_the_outbox_with_its_traces() {
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
