//! A clock of Redis that is set back: a later sequence never has an earlier time.

use openrun::domain::{Coupon, CouponId, Timestamp, Verdict};
use openrun::persistence::redis::RedisLockEngine;
use openrun::ports::{AdmissionEngine, EngineRecovery, HighWatermark, Outbox};

use crate::arrange::{Node, key, member, requests};
use crate::rebuild::{Rows, row};
use crate::support::shared::redis_url;

/// Ahead of every clock. An issuance at this time has the effect of a clock that was set back afterwards.
const AHEAD_MS: i64 = 4_000_000_000_000;

async fn latest_ms(node: &Node, id: &CouponId) -> i64 {
    node.raw(&["HGET", &key(id, "meta"), "latest_ms"]).await
}

/// Issues to `members` and gives sequence and time of each issuance.
async fn issue(engine: &dyn AdmissionEngine, coupon: &Coupon, members: &[&str]) -> Vec<(u32, i64)> {
    let answer = engine.admit(&coupon.id, &requests(members)).await.expect("an answer");
    assert!(answer.standing.now.as_ms() < AHEAD_MS, "the sale period follows the clock itself");
    let issued = answer.verdicts.iter().map(|verdict| match verdict {
        Verdict::Issued(grant) => (grant.sequence, grant.issued_at.as_ms()),
        other => panic!("not issued: {other:?}"),
    });
    issued.collect()
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_set_issued_at_back() {
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
        assert_eq!(
            (held.sequence, held.issued_at.as_ms()),
            (3, AHEAD_MS),
            "the stored time is the answered one"
        );
        let outbox = node.engine.outbox().pending(id, 0, 9).await.unwrap();
        assert_eq!(outbox[2].grant, held, "the outbox has the same time");
        node.verify(&coupon, 3).await.expect("the coupon is consistent");
        assert_eq!(issue(engine, &coupon, &["d"]).await, [(4, AHEAD_MS)], "{}", engine.name());
    }
}

#[tokio::test]
async fn a_rebuilt_coupon_keeps_the_time_of_its_last_issuance() {
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

/// A row with an impossible time must not make the coupon unusable.
#[tokio::test]
async fn an_impossible_time_of_a_row_is_ignored() {
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
