//! A repeated request gives the same issuance in every state and changes nothing.

use std::time::Duration;

use openrun::domain::{Lifecycle, Rejection, Verdict};

use crate::suite::Fixture;
use crate::support::{
    admit_all, admit_one, change, coupon_in, expect_issued, lifecycle, member, members, open_coupon,
    rejected, rules_of, window,
};

pub(crate) async fn a_repeated_request_gives_the_same_grant(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let (kim, lee) = (member("kim"), member("lee"));
    let first = expect_issued(admit_one(&*engine, &coupon.id, &kim).await);
    expect_issued(admit_one(&*engine, &coupon.id, &lee).await);
    // Long enough to expose an engine that reads the clock again.
    tokio::time::sleep(Duration::from_millis(20)).await;
    for node in [engine, fixture.second_node_engine()] {
        assert_eq!(admit_one(&*node, &coupon.id, &kim).await, Verdict::Again(first));
        assert_eq!(node.find(&coupon.id, &kim).await.expect("an answer"), Some(first));
    }
}

pub(crate) async fn a_holder_gets_the_same_grant_in_every_state(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 2);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let kim = member("kim");
    let grant = expect_issued(admit_one(&*engine, &coupon.id, &kim).await);
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Paused)).await;
    assert_eq!(admit_one(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "paused");
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Active)).await;
    admit_all(&*engine, &coupon.id, &members(0..5)).await;
    assert_eq!(admit_one(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "sold out");
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!(admit_one(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "closed");

    let brief = coupon_in("brief", 2, window(-1_000, Some(300)));
    fixture.introduce(&brief).await;
    let grant = expect_issued(admit_one(&*engine, &brief.id, &kim).await);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(admit_one(&*engine, &brief.id, &member("lee")).await, rejected(Rejection::Closed));
    assert_eq!(admit_one(&*engine, &brief.id, &kim).await, Verdict::Again(grant), "after the sale period");
}

pub(crate) async fn a_repeated_request_changes_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 100);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let ids = members(0..50);
    let first: Vec<_> = admit_all(&*engine, &coupon.id, &ids).await.into_iter().map(expect_issued).collect();
    let before = rules_of(engine.standing(&coupon.id).await.expect("a standing"));
    for _ in 0..3 {
        let again: Vec<_> = first.iter().copied().map(Verdict::Again).collect();
        assert_eq!(admit_all(&*engine, &coupon.id, &ids).await, again);
    }
    assert_eq!(rules_of(engine.standing(&coupon.id).await.expect("a standing")), before);
}
