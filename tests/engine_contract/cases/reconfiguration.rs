//! Allowed and refused changes by operators.

use openrun::domain::{AmendmentError, InventoryError, Lifecycle, Reconfiguration, Rejection};

use crate::suite::Fixture;
use crate::support::{
    MINUTE_MS, admit_all, admit_one, change, checked_holders, coupon_in, expect_issued, expect_refusal,
    lifecycle, member, members, open_coupon, open_window, rejected, rules_of, total, window, window_change,
};

pub(crate) async fn a_raised_total_issues_exactly_the_extra_ones(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    admit_all(&*engine, &coupon.id, &members(0..30)).await;
    let before = checked_holders(&*engine, &coupon.id, 10).await;
    let raised = change(&*engine, &coupon.id, total(15)).await;
    assert_eq!((raised.inventory.issued(), raised.inventory.remaining()), (10, 5));
    let verdicts = admit_all(&*fixture.second_node_engine(), &coupon.id, &members(10..30)).await;
    assert!(verdicts[5..].iter().all(|verdict| *verdict == rejected(Rejection::SoldOut)));
    let after = checked_holders(&*engine, &coupon.id, 15).await;
    assert!(before.iter().all(|(sequence, winner)| after[sequence] == *winner), "the first ten keep theirs");
}

pub(crate) async fn a_total_below_issued_is_refused_and_changes_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    admit_all(&*engine, &coupon.id, &members(0..6)).await;
    let refusal = expect_refusal(&*engine, &coupon.id, total(5)).await;
    assert_eq!(refusal, AmendmentError::Inventory(InventoryError::BelowIssued { issued: 6 }));
    // A change is one step: its allowed part is refused with the rest.
    let mixed = Reconfiguration { total: Some(5), window: None, lifecycle: Some(Lifecycle::Paused) };
    expect_refusal(&*engine, &coupon.id, mixed).await;
    expect_refusal(&*engine, &coupon.id, total(0)).await;
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    checked_holders(&*engine, &coupon.id, 7).await;
}

pub(crate) async fn a_total_lowered_to_issued_sells_out(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    admit_all(&*engine, &coupon.id, &members(0..6)).await;
    assert!(change(&*engine, &coupon.id, total(6)).await.inventory.is_sold_out());
    assert_eq!(admit_one(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::SoldOut));
    checked_holders(&*engine, &coupon.id, 6).await;
}

pub(crate) async fn a_sale_period_is_frozen_once_issuing_has_started(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    for other in [window(-MINUTE_MS, Some(MINUTE_MS)), window(MINUTE_MS, None)] {
        let refusal = expect_refusal(&*engine, &coupon.id, window_change(other)).await;
        assert_eq!(refusal, AmendmentError::TermsFrozen);
    }
    let same = change(&*engine, &coupon.id, window_change(coupon.window)).await;
    assert_eq!(same.window, coupon.window, "the same sale period is no change");
}

pub(crate) async fn a_sale_period_may_change_before_issuing(fixture: &mut dyn Fixture) {
    let coupon = coupon_in("drop", 10, window(MINUTE_MS, None));
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    assert_eq!(admit_one(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::NotOpen));
    let (earlier, over) = (open_window(), window(-MINUTE_MS, Some(-1)));
    assert_eq!(change(&*engine, &coupon.id, window_change(over)).await.window, over);
    assert_eq!(admit_one(&*engine, &coupon.id, &member("kim")).await, rejected(Rejection::Closed));
    assert_eq!(change(&*engine, &coupon.id, window_change(earlier)).await.window, earlier);
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
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
        window_change(window(MINUTE_MS, None)),
        Reconfiguration { total: Some(20), window: None, lifecycle: Some(Lifecycle::Closed) },
    ];
    for forbidden in changes {
        assert_eq!(
            expect_refusal(&*engine, &coupon.id, forbidden).await,
            AmendmentError::Closed,
            "{forbidden:?}"
        );
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
    assert!(known > at_first, "a new coupon raises the revision");
    admit_all(&*engine, &coupon.id, &members(0..30)).await;
    engine.standing(&coupon.id).await.expect("a standing");
    assert_eq!(other_node.revision().await.expect("a number"), known, "issuing does not raise the revision");
    let mut before = known;
    let changes =
        [total(20), lifecycle(Lifecycle::Paused), lifecycle(Lifecycle::Active), lifecycle(Lifecycle::Closed)];
    for reconfiguration in changes {
        let changed = change(&*engine, &coupon.id, reconfiguration).await;
        let after = other_node.revision().await.expect("a number");
        assert!(after > before, "{reconfiguration:?} raises the revision");
        let standing = other_node.standing(&coupon.id).await.expect("a standing");
        assert_eq!(rules_of(standing), rules_of(changed), "the change is visible with its revision");
        before = after;
    }
}
