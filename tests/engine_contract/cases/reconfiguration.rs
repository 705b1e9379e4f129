//! What operators may change, and what nobody may.

use openrun::domain::{AmendmentError, InventoryError, Lifecycle, Reconfiguration, Rejection};

use crate::suite::Fixture;
use crate::support::{
    MINUTE_MS, ask, ask_all, change, coupon_in, issued, lifecycle, member, members, moved, open_coupon,
    open_window, refused, rejected, total, truth, what_decides, window,
};

pub(crate) async fn a_raised_total_issues_exactly_the_extra_ones(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    ask_all(&*engine, &coupon.id, &members(0..30)).await;
    let before = truth(&*engine, &coupon.id, 10).await;
    let raised = change(&*engine, &coupon.id, total(15)).await;
    assert_eq!((raised.inventory.issued(), raised.inventory.remaining()), (10, 5));
    let verdicts = ask_all(&*fixture.second_node_engine(), &coupon.id, &members(10..30)).await;
    assert!(verdicts[5..].iter().all(|verdict| *verdict == rejected(Rejection::SoldOut)));
    let after = truth(&*engine, &coupon.id, 15).await;
    assert!(before.iter().all(|(sequence, winner)| after[sequence] == *winner), "the first ten keep theirs");
}

pub(crate) async fn a_total_below_issued_is_refused_and_changes_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    ask_all(&*engine, &coupon.id, &members(0..6)).await;
    let refusal = refused(&*engine, &coupon.id, total(5)).await;
    assert_eq!(refusal, AmendmentError::Inventory(InventoryError::BelowIssued { issued: 6 }));
    // A change is one step: what would be allowed alone does not happen either.
    let mixed = Reconfiguration { total: Some(5), window: None, lifecycle: Some(Lifecycle::Paused) };
    refused(&*engine, &coupon.id, mixed).await;
    refused(&*engine, &coupon.id, total(0)).await;
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
    truth(&*engine, &coupon.id, 7).await;
}

pub(crate) async fn a_total_down_to_issued_sells_it_out(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    ask_all(&*engine, &coupon.id, &members(0..6)).await;
    assert!(change(&*engine, &coupon.id, total(6)).await.inventory.is_sold_out());
    assert_eq!(ask(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::SoldOut));
    truth(&*engine, &coupon.id, 6).await;
}

pub(crate) async fn a_window_is_frozen_once_issuing_has_started(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
    for other in [window(-MINUTE_MS, Some(MINUTE_MS)), window(MINUTE_MS, None)] {
        let refusal = refused(&*engine, &coupon.id, moved(other)).await;
        assert_eq!(refusal, AmendmentError::TermsFrozen);
    }
    let same = change(&*engine, &coupon.id, moved(coupon.window)).await;
    assert_eq!(same.window, coupon.window, "the same window is no change");
}

pub(crate) async fn a_window_may_move_before_that(fixture: &mut dyn Fixture) {
    let coupon = coupon_in("drop", 10, window(MINUTE_MS, None));
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    assert_eq!(ask(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::NotOpen));
    let (earlier, over) = (open_window(), window(-MINUTE_MS, Some(-1)));
    assert_eq!(change(&*engine, &coupon.id, moved(over)).await.window, over);
    assert_eq!(ask(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::Closed));
    assert_eq!(change(&*engine, &coupon.id, moved(earlier)).await.window, earlier);
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
}

pub(crate) async fn a_closed_coupon_stays_closed(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    let changes = [
        lifecycle(Lifecycle::Active),
        lifecycle(Lifecycle::Paused),
        total(20),
        moved(window(MINUTE_MS, None)),
        Reconfiguration { total: Some(20), window: None, lifecycle: Some(Lifecycle::Closed) },
    ];
    for forbidden in changes {
        assert_eq!(refused(&*engine, &coupon.id, forbidden).await, AmendmentError::Closed, "{forbidden:?}");
    }
    let closed = change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!(closed.lifecycle, Lifecycle::Closed, "closing again is fine");
}

pub(crate) async fn the_revision_grows_with_changes_and_not_with_issuing(fixture: &mut dyn Fixture) {
    let (engine, other_node) = (fixture.engine(), fixture.second_node_engine());
    let coupon = open_coupon("drop", 10);
    let at_first = engine.revision().await.expect("a number");
    fixture.introduce(&coupon).await;
    let known = other_node.revision().await.expect("a number");
    assert!(known > at_first, "a new coupon is news");
    ask_all(&*engine, &coupon.id, &members(0..30)).await;
    engine.standing(&coupon.id).await.expect("a standing");
    assert_eq!(other_node.revision().await.expect("a number"), known, "issuing is no news");
    let mut before = known;
    let changes =
        [total(20), lifecycle(Lifecycle::Paused), lifecycle(Lifecycle::Active), lifecycle(Lifecycle::Closed)];
    for news in changes {
        let changed = change(&*engine, &coupon.id, news).await;
        let after = other_node.revision().await.expect("a number");
        assert!(after > before, "{news:?} is news");
        let seen = other_node.standing(&coupon.id).await.expect("a standing");
        assert_eq!(what_decides(seen), what_decides(changed), "and whoever sees the number sees the change");
        before = after;
    }
}
