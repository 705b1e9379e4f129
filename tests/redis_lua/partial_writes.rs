//! Redis does not roll back a script, so each one must write all or nothing.

use openrun::domain::{CouponId, Reconfiguration};
use openrun::ports::{AdmissionEngine, EngineError, EngineRecovery};

use crate::arrange::{Node, coupon, key, sequences};
use crate::support::services::PrivateRedis;
use crate::support::shared::redis_url;

/// Sends a batch of old and new members, and panics unless the answer is `Corrupt` and nothing changes.
async fn assert_corrupt_and_unchanged(node: &Node, id: &CouponId, case: &str) {
    let before = node.dump(id).await;
    let answer = node.admit(id, &["a", "new", "newer"]).await;
    assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{case}: {answer:?}");
    assert!(node.dump(id).await == before, "{case}: something has been written");
}

#[tokio::test]
async fn a_key_of_the_wrong_type_changes_nothing() {
    let node = Node::at(&redis_url()).await;
    for part in ["meta", "stock", "participants", "outbox"] {
        let coupon = node.open_coupon(5).await;
        node.admit(&coupon.id, &["a"]).await.unwrap();
        node.raw::<()>(&["DEL", &key(&coupon.id, part)]).await;
        node.raw::<()>(&["LPUSH", &key(&coupon.id, part), "foreign"]).await;
        assert_corrupt_and_unchanged(&node, &coupon.id, part).await;
    }
}

#[tokio::test]
async fn a_missing_key_changes_nothing() {
    let node = Node::at(&redis_url()).await;
    for part in ["stock", "participants", "outbox"] {
        let coupon = node.open_coupon(5).await;
        node.admit(&coupon.id, &["a"]).await.unwrap();
        node.raw::<()>(&["DEL", &key(&coupon.id, part)]).await;
        assert_corrupt_and_unchanged(&node, &coupon.id, part).await;
    }
}

#[tokio::test]
async fn a_malformed_number_changes_nothing() {
    let node = Node::at(&redis_url()).await;
    for stock in ["", "-1", "1e1", "0x2", " 4", "4.0", "6", "nan"] {
        let coupon = node.open_coupon(5).await;
        node.admit(&coupon.id, &["a"]).await.unwrap();
        node.raw::<()>(&["SET", &key(&coupon.id, "stock"), stock]).await;
        assert_corrupt_and_unchanged(&node, &coupon.id, stock).await;
    }
    for field in ["total", "opens_at_ms", "closes_at_ms", "epoch", "latest_ms"] {
        let coupon = node.open_coupon(5).await;
        node.admit(&coupon.id, &["a"]).await.unwrap();
        node.raw::<()>(&["HSET", &key(&coupon.id, "meta"), field, "soon"]).await;
        assert!(node.admit(&coupon.id, &["new"]).await.is_err(), "{field}");
        assert_eq!(node.raw::<u32>(&["HLEN", &key(&coupon.id, "participants")]).await, 1, "{field}");
    }
}

/// A node without a memory of the coupon refuses it, too, and a report never contains it.
#[tokio::test]
async fn an_impossible_epoch_is_corrupt() {
    let node = Node::at(&redis_url()).await;
    let (beyond, max, too_long) = ("9007199254740992", "9223372036854775807", "99999999999999999999");
    for epoch in [beyond, max, too_long, "18446744073709551615", "0", "01700000000000", "-1", "1e12", ""] {
        let coupon = node.open_coupon(5).await;
        let id = &coupon.id;
        node.admit(id, &["a"]).await.unwrap();
        node.raw::<()>(&["HSET", &key(id, "meta"), "epoch", epoch]).await;
        assert_corrupt_and_unchanged(&node, id, epoch).await;
        let answer = Node::at(&redis_url()).await.admit(id, &["a"]).await;
        assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{epoch}: {answer:?}");
        let reported = node.engine.halt_and_report(id).epoch;
        assert!(node.engine.resume(id).await.is_err(), "{epoch}");
        assert_eq!(node.engine.suspend(id).await.unwrap(), 0, "{epoch}");
        assert_eq!(node.engine.halt_and_report(id).epoch, reported, "{epoch}");
    }
}

#[tokio::test]
async fn an_outbox_that_is_ahead_refuses_the_whole_batch() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(5).await;
    node.admit(&coupon.id, &["a"]).await.unwrap();
    let epoch: String = node.raw(&["HGET", &key(&coupon.id, "meta"), "epoch"]).await;
    let ahead = format!("{epoch}-2");
    node.raw::<()>(&["XADD", &key(&coupon.id, "outbox"), &ahead, "m", "x", "t", "1"]).await;
    assert_corrupt_and_unchanged(&node, &coupon.id, "ahead").await;
}

#[tokio::test]
async fn leftovers_of_a_lost_coupon_are_not_loaded_over() {
    let node = Node::at(&redis_url()).await;
    let coupon = coupon(5, 0);
    node.raw::<()>(&["SET", &key(&coupon.id, "stock"), "3"]).await;
    let before = node.dump(&coupon.id).await;
    assert!(matches!(node.engine.load(&coupon).await, Err(EngineError::Corrupt(_))));
    assert!(node.dump(&coupon.id).await == before);
}

#[tokio::test]
async fn a_redis_without_memory_refuses_the_whole_batch_and_answers_truly_later() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(5).await;
    let id = &coupon.id;
    node.admit(id, &["a"]).await.unwrap();
    let before = node.dump(id).await;
    node.raw::<()>(&["CONFIG", "SET", "maxmemory", "100kb"]).await;

    let answer = node.admit(id, &["a", "b", "c"]).await;
    assert!(matches!(&answer, Err(EngineError::Unavailable(cause)) if cause.to_string().contains("memory")));
    let change = Reconfiguration { total: Some(9), ..Reconfiguration::default() };
    assert!(matches!(node.engine.reconfigure(id, change).await, Err(EngineError::Unavailable(_))));
    assert!(node.dump(id).await == before, "something has been written");
    // A request without a write is still answered.
    assert_eq!(sequences(&node.admit(id, &["a"]).await.unwrap()), [1]);

    node.raw::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(sequences(&node.admit(id, &["a", "b", "c"]).await.unwrap()), [1, 2, 3]);
}

#[tokio::test]
async fn memory_that_runs_out_within_a_script_does_not_interrupt_it() {
    let redis = PrivateRedis::start().await;
    let node = Node::at(&redis.url()).await;
    let coupon = node.open_coupon(10_000).await;
    let members: Vec<String> = (0..256).map(|i| format!("{i:0>128}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let info: String = node.raw(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    // Some memory is left when the script begins, but less than the batch needs.
    let limit = (used.trim().parse::<u64>().unwrap() + 65_536).to_string();
    node.raw::<()>(&["CONFIG", "SET", "maxmemory", &limit]).await;

    let answer = node.admit(&coupon.id, &members).await;
    node.raw::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let issued = node.engine.standing(&coupon.id).await.unwrap().inventory.issued();
    assert_eq!(issued, if answer.is_ok() { 256 } else { 0 });
    node.verify(&coupon, issued).await.unwrap();
}
