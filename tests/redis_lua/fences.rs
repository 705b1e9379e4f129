//! A Redis that restarted or lost data decides nothing until it has been verified.

use openrun::domain::Reconfiguration;
use openrun::ports::{AdmissionEngine, EngineError, Outbox};

use crate::arrange::{Node, assert_fenced, coupon, key, member, sequences};
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

#[tokio::test]
async fn a_restarted_redis_is_fenced_until_it_is_verified() {
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
async fn a_redis_with_fewer_issuances_than_the_database_stays_fenced() {
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
async fn issuances_that_this_node_has_answered_count_like_rows() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    let early = node.dump(id).await;
    node.admit(id, &["a"]).await.unwrap();
    assert!(early[2].is_none());
    // The state that restoring an old snapshot leaves.
    node.raw::<()>(&["SET", &key(id, "stock"), "5"]).await;
    node.raw::<()>(&["DEL", &key(id, "participants"), &key(id, "outbox")]).await;

    assert_fenced(node.engine.load(&coupon).await, "holds 0 issuances, but 1 are known");
    assert_fenced(node.verify(&coupon, 0).await, "holds 0 issuances, but 1 are known");
}

#[tokio::test]
async fn a_flushed_redis_does_not_load_a_coupon_with_issuances() {
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
    // The database may lack the issuance, but this node has answered a member with it.
    assert_fenced(node.engine.load(&coupon).await, "has lost the coupon");
    assert!(matches!(node.verify(&coupon, 0).await, Err(EngineError::UnknownCoupon)));
}

#[tokio::test]
async fn a_coupon_with_rows_is_not_loaded_as_new() {
    let node = Node::at(&redis_url()).await;
    let coupon = coupon(5, 1);
    assert_fenced(node.engine.load(&coupon).await, "known issuances: 1");
    assert!(matches!(node.engine.standing(&coupon.id).await, Err(EngineError::UnknownCoupon)));
}

#[tokio::test]
async fn a_coupon_loaded_again_by_another_node_fences_nodes_of_the_earlier_epoch() {
    let redis = PrivateRedis::start().await;
    let (old, new) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let coupon = old.open_coupon(5).await;
    let id = &coupon.id;
    new.raw::<()>(&["FLUSHALL"]).await;
    new.engine.load(&coupon).await.unwrap();

    assert_fenced(old.admit(id, &["a"]).await, "loaded again");
    assert_fenced(old.engine.load(&coupon).await, "loaded again");
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
    assert_fenced(node.verify(&coupon, 0).await, "number of participants");
}
