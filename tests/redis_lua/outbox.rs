//! The outbox holds exactly the issuances, in order, until the database holds them.

use openrun::domain::Traceparent;
use openrun::ports::{AdmissionEngine, Outbox};
use redis::streams::StreamRangeReply;

use crate::arrange::{Node, TRACE, key, member};
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

#[tokio::test]
async fn it_holds_exactly_the_issuances_in_order() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(3).await;
    let id = &coupon.id;
    node.admit(id, &["a", "traced", "a"]).await.unwrap();
    node.admit(id, &["a", "한글 🎫", "late"]).await.unwrap();

    let entries = node.engine.outbox().pending(id, 0, 100).await.unwrap();
    let members: Vec<_> = entries.iter().map(|entry| entry.member.as_str()).collect();
    assert_eq!(members, ["a", "traced", "한글 🎫"]);
    assert_eq!(entries[1].traceparent, Traceparent::parse(TRACE));
    assert_eq!(entries[0].traceparent, None);
    for entry in &entries {
        assert_eq!(node.engine.find(id, &entry.member).await.unwrap(), Some(entry.grant));
    }
    let epoch: String = node.raw(&["HGET", &key(id, "meta"), "epoch"]).await;
    let stored: StreamRangeReply = node.raw(&["XRANGE", &key(id, "outbox"), "-", "+"]).await;
    let ids: Vec<_> = stored.ids.iter().map(|entry| entry.id.clone()).collect();
    assert_eq!(ids, [1, 2, 3].map(|sequence| format!("{epoch}-{sequence}")));
    assert_eq!(stored.ids[0].map.len(), 2);
    assert_eq!(stored.ids[1].map.len(), 3);
}

#[tokio::test]
async fn it_survives_a_restart_and_is_readable_before_verification() {
    let mut redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    node.admit(&coupon.id, &["a", "b"]).await.unwrap();
    node.engine.load(&coupon).await.unwrap();
    redis.restart().await;
    let fresh = Node::at(&redis.url()).await;
    let entries = fresh.engine.outbox().pending(&coupon.id, 0, 100).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[1].member, entries[1].grant.sequence), (&member("b"), 2));
    // The last id of a trimmed stream must survive a rewrite of the AOF, too.
    fresh.engine.outbox().trim(&coupon.id, 2).await.unwrap();
    fresh.raw::<()>(&["BGREWRITEAOF"]).await;
    while fresh.raw::<String>(&["INFO", "persistence"]).await.contains("aof_rewrite_in_progress:1") {
        tokio::task::yield_now().await;
    }
    redis.restart().await;
    fresh.verify(&coupon, 2).await.unwrap();
}

#[tokio::test]
async fn it_is_read_a_bounded_page_at_a_time() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(10).await;
    node.admit(&coupon.id, &["a", "b", "c", "d"]).await.unwrap();
    let outbox = node.engine.outbox();
    for (after, limit, expected) in
        [(0, 2, &[1, 2][..]), (2, 2, &[3, 4]), (3, 2, &[4]), (4, 2, &[]), (9, 2, &[]), (0, 0, &[])]
    {
        let page = outbox.pending(&coupon.id, after, limit).await.unwrap();
        let sequences: Vec<_> = page.iter().map(|entry| entry.grant.sequence).collect();
        assert_eq!(sequences, expected, "after {after}, at most {limit}");
    }
}

#[tokio::test]
async fn trimming_drops_up_to_and_including_and_nothing_else() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(1_000).await;
    let id = &coupon.id;
    let members: Vec<String> = (1..=200).map(|i| format!("m{i}")).collect();
    node.admit(id, &members.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    let outbox = node.engine.outbox();
    for (through, left) in [(0, 200), (150, 50), (150, 50), (3, 50), (199, 1), (200, 0)] {
        outbox.trim(id, through).await.unwrap();
        assert_eq!(outbox.depth(id).await.unwrap(), left, "through {through}");
        let first = outbox.pending(id, 0, 1).await.unwrap().first().map(|entry| entry.grant.sequence);
        assert_eq!(first, (left > 0).then(|| 201 - u32::try_from(left).unwrap()), "through {through}");
    }
    // The next issuance continues the sequences, and a trimmed outbox still passes verification.
    node.admit(id, &["next"]).await.unwrap();
    assert_eq!(outbox.pending(id, 0, 9).await.unwrap()[0].grant.sequence, 201);
    node.verify(&coupon, 200).await.unwrap();
}

#[tokio::test]
async fn a_node_of_an_earlier_epoch_can_neither_read_nor_trim_the_outbox() {
    let redis = PrivateRedis::start().await;
    let (old, new) = (Node::at(&redis.url()).await, Node::at(&redis.url()).await);
    let coupon = old.open_coupon(5).await;
    new.raw::<()>(&["FLUSHALL"]).await;
    new.engine.load(&coupon).await.unwrap();
    new.admit(&coupon.id, &["a"]).await.unwrap();
    assert!(old.engine.outbox().trim(&coupon.id, 5).await.is_err());
    assert!(old.engine.outbox().pending(&coupon.id, 0, 5).await.is_err());
    assert_eq!(new.engine.outbox().depth(&coupon.id).await.unwrap(), 1);
}
