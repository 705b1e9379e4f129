//! A node dies after publishing a dead letter, or a replayed message, and before acknowledging the original: nothing is
//! lost, and two copies count as one letter.
#![cfg(feature = "test-panics")]

use serde_json::Value;

use crate::arrange::{channel, messages};
use crate::messages::{TOTAL, dead_letters, message, publish};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{create_coupon, http, until, until_persisted};

/// The dead letters that a node lists once the queue has this many messages.
async fn letters(node: &NodeProcess, stack: &Stack, copies: u32) -> Vec<Value> {
    let queue = format!("{}.dead-letters", stack.amqp_namespace);
    until("the copies are dead", async || (messages(&stack.amqp_url, &queue).await == copies).then_some(()))
        .await;
    let listed = http().get(node.url("/v1/admin/dead-letters")).send().await.expect("the node answers");
    listed.json().await.expect("a list")
}

/// RabbitMQ redelivers the message, and another node moves it to the dead letters again.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_between_dead_lettering_and_acknowledging_leaves_one_letter() {
    let stack = Stack::shared().await;
    let mut dying = NodeProcess::redis_lua(&stack).set("OPENRUN_TEST_ABORT", "buried:1").start().await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    publish(&channel, &stack, b"not even JSON").await;
    assert_eq!(dying.ended().await, None, "it dies by a signal");
    let node = NodeProcess::redis_lua(&stack).start().await;
    let letters = letters(&node, &stack, 2).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((&letters[0]["copies"], &letters[0]["payload_bytes"]), (&2.into(), &13.into()), "{letters:?}");
    let id = letters[0]["id"].as_str().expect("an id");
    let gone = http().delete(node.url(&format!("/v1/admin/dead-letters/{id}"))).send().await;
    assert_eq!(gone.expect("the node answers").status(), 200);
    assert_eq!(dead_letters(&channel, &stack, 0).await, Vec::<Vec<u8>>::new(), "both copies are deleted");
}

/// The letter is replayed, and still in the dead-letter queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_between_replaying_and_acknowledging_loses_nothing_and_leaves_one_letter() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let (_connection, channel) = channel(&stack.amqp_url).await;
    publish(&channel, &stack, &message("late-coupon", 1, "kim")).await;
    assert_eq!(letters(&node, &stack, 1).await.len(), 1);
    let mut dying = NodeProcess::redis_lua(&stack).set("OPENRUN_TEST_ABORT", "replayed:1").start().await;
    let replay = |node: &NodeProcess| http().post(node.url("/v1/admin/dead-letters/replay")).send();
    assert!(replay(&dying).await.is_err(), "the node dies before it answers");
    assert_eq!(dying.ended().await, None, "it dies by a signal");
    let found = letters(&node, &stack, 2).await;
    assert_eq!((found.len(), &found[0]["copies"]), (1, &2.into()), "{found:?}");
    let what: Vec<_> = found[0]["history"].as_array().expect("a list").iter().map(|e| &e["what"]).collect();
    assert_eq!(what, ["rejected", "replayed", "rejected"], "the copy with the longest history: {found:?}");

    create_coupon(node.address(), "late-coupon", TOTAL).await;
    assert_eq!(replay(&node).await.expect("the node answers").status(), 200);
    let rows = until_persisted(&stack.database_url, "late-coupon", 1).await;
    assert_eq!((rows.len(), rows[0].1.as_str()), (1, "kim"));
    assert_eq!(letters(&node, &stack, 0).await, Vec::<Value>::new());
}
