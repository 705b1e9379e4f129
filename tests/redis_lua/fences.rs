//! A Redis that restarted, lost something or began anew decides nothing until it has been verified.

use openrun::domain::Reconfiguration;
use openrun::ports::{AdmissionEngine, EngineError, Outbox};

use crate::arrange::{Node, assert_fenced, coupon, key, member, sequences};
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

#[tokio::test]
async fn a_restarted_redis_is_fenced_until_verified_and_has_lost_nothing() {
    let mut redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a", "b"]).await.unwrap();

    redis.restart().await;
    assert_fenced(node.admit(id, &["c"]).await, "restarted");
    assert_fenced(node.engine.standing(id).await, "restarted");
    assert_fenced(node.engine.find(id, &member("a")).await, "restarted");
    assert_fenced(node.engine.holders(id, 0).await, "restarted");
    assert_fenced(node.engine.load(&coupon).await, "restarted");
    assert_fenced(node.engine.reconfigure(id, Reconfiguration::default()).await, "restarted");
    // A node that has never seen the coupon is fenced as well.
    assert_fenced(Node::at(&redis.url()).await.admit(id, &["c"]).await, "restarted");

    node.verify(&coupon, 2).await.unwrap();
    assert_eq!(sequences(&node.admit(id, &["b", "c", "a"]).await.unwrap()), [2, 3, 1]);
}

#[tokio::test]
async fn what_the_database_has_and_redis_has_not_keeps_the_fence_up() {
    let mut redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    node.admit(&coupon.id, &["a", "b"]).await.unwrap();

    redis.restart().await;
    assert_fenced(node.verify(&coupon, 3).await, "holds 2 issuances, but 3 are known");
    assert_fenced(node.admit(&coupon.id, &["c"]).await, "waits until");
    assert_fenced(Node::at(&redis.url()).await.admit(&coupon.id, &["c"]).await, "restarted");
}

#[tokio::test]
async fn what_this_node_has_told_members_counts_as_much_as_the_database() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    let early = node.dump(id).await;
    node.admit(id, &["a"]).await.unwrap();
    assert!(early[2].is_none());
    // As if an old snapshot had been put back.
    node.raw::<()>(&["SET", &key(id, "stock"), "5"]).await;
    node.raw::<()>(&["DEL", &key(id, "participants"), &key(id, "outbox")]).await;

    assert_fenced(node.engine.load(&coupon).await, "holds 0 issuances, but 1 are known");
    assert_fenced(node.verify(&coupon, 0).await, "holds 0 issuances, but 1 are known");
}

#[tokio::test]
async fn a_flushed_redis_knows_nothing_and_is_not_loaded_over_what_was_issued() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a"]).await.unwrap();
    node.raw::<()>(&["FLUSHALL"]).await;

    assert!(matches!(node.admit(id, &["b"]).await, Err(EngineError::UnknownCoupon)));
    assert!(matches!(node.engine.standing(id).await, Err(EngineError::UnknownCoupon)));
    assert!(matches!(node.engine.find(id, &member("a")).await, Err(EngineError::UnknownCoupon)));
    assert!(matches!(node.engine.outbox().depth(id).await, Err(EngineError::UnknownCoupon)));
    // The database may not have it yet, but this node has told a member.
    assert_fenced(node.engine.load(&coupon).await, "has lost the coupon");
    assert!(matches!(node.verify(&coupon, 0).await, Err(EngineError::UnknownCoupon)));
}

#[tokio::test]
async fn a_coupon_that_the_database_says_was_issued_is_not_loaded_as_new() {
    let node = Node::at(&redis_url()).await;
    let coupon = coupon(5, 1);
    assert_fenced(node.engine.load(&coupon).await, "known issuances: 1");
    assert!(matches!(node.engine.standing(&coupon.id).await, Err(EngineError::UnknownCoupon)));
}

#[tokio::test]
async fn a_coupon_loaded_anew_by_another_node_fences_who_knew_the_old_one() {
    let redis = PrivateRedis::start().await;
    let (old, new) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let coupon = old.open_coupon(5).await;
    let id = &coupon.id;
    new.raw::<()>(&["FLUSHALL"]).await;
    new.engine.load(&coupon).await.unwrap();

    assert_fenced(old.admit(id, &["a"]).await, "loaded anew");
    assert_fenced(old.engine.load(&coupon).await, "loaded anew");
    assert_eq!(sequences(&new.admit(id, &["b"]).await.unwrap()), [1]);
    old.verify(&coupon, 1).await.unwrap();
    assert_eq!(sequences(&old.admit(id, &["a", "b"]).await.unwrap()), [2, 1]);
}

#[tokio::test]
async fn an_outbox_with_a_hole_is_not_accepted() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a", "b", "c"]).await.unwrap();
    node.verify(&coupon, 3).await.unwrap();
    let epoch: String = node.raw(&["HGET", &key(id, "meta"), "epoch"]).await;
    node.raw::<()>(&["XDEL", &key(id, "outbox"), &format!("{epoch}-2")]).await;
    assert_fenced(node.verify(&coupon, 3).await, "hole");
    node.raw::<()>(&["DEL", &key(id, "outbox")]).await;
    assert_fenced(node.verify(&coupon, 3).await, "outbox is missing");
}

#[tokio::test]
async fn a_stock_that_disagrees_with_the_participants_is_not_accepted() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    node.admit(&coupon.id, &["a"]).await.unwrap();
    node.raw::<()>(&["INCR", &key(&coupon.id, "stock")]).await;
    assert_fenced(node.verify(&coupon, 0).await, "participants are not as many");
}
