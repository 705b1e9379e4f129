//! Losses of Redis that do no harm, and state that nodes share through Redis.

use openrun::domain::{Inventory, Lifecycle, Reconfiguration};
use openrun::ports::AdmissionEngine;

use crate::arrange::{Node, sequences};
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

#[tokio::test]
async fn flushed_scripts_are_sent_again() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    assert_eq!(sequences(&node.admit(&coupon.id, &["a"]).await.unwrap()), [1]);
    node.raw::<()>(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(sequences(&node.admit(&coupon.id, &["a", "b"]).await.unwrap()), [1, 2]);
}

#[tokio::test]
async fn a_killed_connection_is_replaced_within_the_call() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    for (round, name) in [(1, "a"), (2, "b"), (3, "c")] {
        node.raw::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(sequences(&node.admit(&coupon.id, &[name]).await.unwrap()), [round]);
    }
}

#[tokio::test]
async fn a_node_that_never_loaded_a_coupon_may_serve_it() {
    let (one, two) = (Node::at(&redis_url()).await, Node::at(&redis_url()).await);
    let coupon = one.open_coupon(5).await;
    assert_eq!(sequences(&two.admit(&coupon.id, &["a"]).await.unwrap()), [1]);
    assert_eq!(sequences(&one.admit(&coupon.id, &["a", "b"]).await.unwrap()), [1, 2]);
}

#[tokio::test]
async fn only_changes_raise_the_revision() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    assert_eq!(node.engine.revision().await.unwrap(), 0);
    let coupon = node.open_coupon(5).await;
    assert_eq!(node.engine.revision().await.unwrap(), 1);
    node.engine.load(&coupon).await.unwrap();
    node.admit(&coupon.id, &["a"]).await.unwrap();
    assert_eq!(node.engine.revision().await.unwrap(), 1);

    let pause = Reconfiguration { lifecycle: Some(Lifecycle::Paused), ..Reconfiguration::default() };
    node.engine.reconfigure(&coupon.id, pause).await.unwrap().unwrap();
    assert_eq!(node.engine.revision().await.unwrap(), 2);
    let fewer = Reconfiguration { total: Some(0), ..Reconfiguration::default() };
    node.engine.reconfigure(&coupon.id, fewer).await.unwrap().unwrap_err();
    assert_eq!(node.engine.revision().await.unwrap(), 2);
}

#[tokio::test]
async fn a_change_may_be_sent_again() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(2).await;
    node.admit(&coupon.id, &["a"]).await.unwrap();
    let change =
        Reconfiguration { total: Some(7), window: Some(coupon.window), lifecycle: Some(Lifecycle::Closed) };
    for time in ["first", "second"] {
        let standing = node.engine.reconfigure(&coupon.id, change).await.unwrap().unwrap();
        assert_eq!(standing.inventory, Inventory::with_issued(7, 1).unwrap(), "the {time} time");
    }
}

#[tokio::test]
async fn many_holders_span_several_pages() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5_000).await;
    let members: Vec<String> = (0..5_000).map(|i| format!("m{i}")).collect();
    for batch in members.chunks(256) {
        node.admit(&coupon.id, &batch.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    }
    let (mut found, mut cursor, mut pages) = (std::collections::HashSet::new(), Some(0), 0);
    while let Some(from) = cursor {
        let page = node.engine.holders(&coupon.id, from).await.unwrap();
        found.extend(page.holders.into_iter().map(|(member, _)| member.to_string()));
        (cursor, pages) = (page.next, pages + 1);
    }
    assert!(pages > 1);
    assert_eq!(found, members.into_iter().collect());
}
