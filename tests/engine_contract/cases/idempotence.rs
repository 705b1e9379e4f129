//! Asking again gives the same coupon, in every state, and changes nothing.

use std::time::Duration;

use openrun::domain::{Lifecycle, Rejection, Verdict};

use crate::suite::Fixture;
use crate::support::{
    ask, ask_all, change, coupon_in, issued, lifecycle, member, members, open_coupon, rejected, what_decides,
    window,
};

pub(crate) async fn a_second_ask_gives_the_same_grant(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let (kim, lee) = (member("kim"), member("lee"));
    let first = issued(ask(&*engine, &coupon.id, &kim).await);
    issued(ask(&*engine, &coupon.id, &lee).await);
    // Long enough for a clock in milliseconds to show if the time were taken anew.
    tokio::time::sleep(Duration::from_millis(20)).await;
    for node in [engine, fixture.second_node_engine()] {
        assert_eq!(ask(&*node, &coupon.id, &kim).await, Verdict::Again(first));
        assert_eq!(node.find(&coupon.id, &kim).await.expect("an answer"), Some(first));
    }
}

pub(crate) async fn a_holder_gets_the_same_grant_in_every_state(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 2);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let kim = member("kim");
    let grant = issued(ask(&*engine, &coupon.id, &kim).await);
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Paused)).await;
    assert_eq!(ask(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "paused");
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Active)).await;
    ask_all(&*engine, &coupon.id, &members(0..5)).await;
    assert_eq!(ask(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "sold out");
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!(ask(&*engine, &coupon.id, &kim).await, Verdict::Again(grant), "closed");

    let brief = coupon_in("brief", 2, window(-1_000, Some(300)));
    fixture.introduce(&brief).await;
    let grant = issued(ask(&*engine, &brief.id, &kim).await);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(ask(&*engine, &brief.id, &member("lee")).await, rejected(Rejection::Closed));
    assert_eq!(ask(&*engine, &brief.id, &kim).await, Verdict::Again(grant), "after the window");
}

pub(crate) async fn asking_again_changes_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 100);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let who = members(0..50);
    let first: Vec<_> = ask_all(&*engine, &coupon.id, &who).await.into_iter().map(issued).collect();
    let before = what_decides(engine.standing(&coupon.id).await.expect("a standing"));
    for _ in 0..3 {
        let again: Vec<_> = first.iter().copied().map(Verdict::Again).collect();
        assert_eq!(ask_all(&*engine, &coupon.id, &who).await, again);
    }
    assert_eq!(what_decides(engine.standing(&coupon.id).await.expect("a standing")), before);
}
