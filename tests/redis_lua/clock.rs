//! A clock of Redis that is set back: a later sequence never has an earlier moment.

use openrun::domain::{Coupon, CouponId, Timestamp, Verdict};
use openrun::persistence::redis::RedisLockEngine;
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark, Outbox};

use crate::arrange::{Node, key, member, requests};
use crate::rebuild::{Rows, row};
use crate::support::shared::redis_url;

/// Ahead of every clock. What was issued then and what the clock says now are what a clock set back leaves.
const AHEAD_MS: i64 = 4_000_000_000_000;

async fn latest_ms(node: &Node, id: &CouponId) -> i64 {
    node.raw(&["HGET", &key(id, "meta"), "latest_ms"]).await
}

/// The sequence and the moment of what each of `members` is issued by `engine`.
async fn issue(engine: &dyn AdmissionEngine, coupon: &Coupon, members: &[&str]) -> Vec<(u32, i64)> {
    let answer = engine.admit(&coupon.id, &requests(members)).await.expect("it decides");
    assert!(answer.standing.now.as_ms() < AHEAD_MS, "the window goes by the clock itself");
    let issued = answer.verdicts.iter().map(|verdict| match verdict {
        Verdict::Issued(grant) => (grant.sequence, grant.issued_at.as_ms()),
        other => panic!("not issued: {other:?}"),
    });
    issued.collect()
}

#[tokio::test]
async fn what_is_issued_after_a_clock_was_set_back_is_not_issued_before_the_last() {
    let node = Node::at(&redis_url()).await;
    let lock = RedisLockEngine::new(node.engine.clone());
    for engine in [&node.engine as &dyn AdmissionEngine, &lock] {
        let coupon = node.open_coupon(9).await;
        let id = &coupon.id;
        let first = issue(engine, &coupon, &["a"]).await[0].1;
        assert_eq!(latest_ms(&node, id).await, first, "{}", engine.name());
        node.raw::<()>(&["HSET", &key(id, "meta"), "latest_ms", &AHEAD_MS.to_string()]).await;

        let later = issue(engine, &coupon, &["b", "c"]).await;
        assert_eq!(later, [(2, AHEAD_MS), (3, AHEAD_MS)], "{}", engine.name());
        let held = engine.find(id, &member("c")).await.unwrap().expect("it was issued");
        assert_eq!((held.sequence, held.issued_at.as_ms()), (3, AHEAD_MS), "it holds what it was told");
        let outbox = node.engine.outbox().pending(id, 0, 9).await.unwrap();
        assert_eq!(outbox[2].grant, held, "and so does the database");
        node.verify(&coupon, 3).await.expect("it is whole");
        assert_eq!(issue(engine, &coupon, &["d"]).await, [(4, AHEAD_MS)], "{}", engine.name());
    }
}

#[tokio::test]
async fn a_rebuilt_coupon_knows_when_the_last_was_issued() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let ahead = |sequence| {
        let issued_at = Timestamp::from_ms(AHEAD_MS + i64::from(sequence));
        openrun::domain::IssuedCoupon { issued_at, ..row(&coupon, sequence) }
    };
    let rows = Rows::holding(&coupon, &[ahead(1), ahead(2)]).await;
    node.engine.halt_and_report(&coupon.id);
    node.engine.rebuild(&coupon, HighWatermark { epoch: 0, issued: 2 }, &rows.store).await.unwrap();
    node.engine.resume(&coupon.id).await.unwrap();
    assert_eq!(issue(&node.engine, &coupon, &["m3"]).await, [(3, AHEAD_MS + 2)]);
}

/// A row may say what no clock gives. The coupon is not kept from being used by it.
#[tokio::test]
async fn a_moment_that_no_clock_gave_is_not_taken_from_the_rows() {
    let node = Node::at(&redis_url()).await;
    let coupon = node.open_coupon(9).await;
    let absurd = openrun::domain::IssuedCoupon {
        issued_at: Timestamp::from_ms(200_000_000_000_000),
        ..row(&coupon, 1)
    };
    let rows = Rows::holding(&coupon, &[absurd]).await;
    node.engine.halt_and_report(&coupon.id);
    node.engine.rebuild(&coupon, HighWatermark { epoch: 0, issued: 1 }, &rows.store).await.unwrap();
    node.engine.resume(&coupon.id).await.unwrap();
    assert_eq!(issue(&node.engine, &coupon, &["m2"]).await[0].0, 2);
}
