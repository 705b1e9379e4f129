//! Sale period and lifecycle by the engine's own clock: not open, open, paused, closed.

use std::time::Duration;

use openrun::domain::{CouponState, Lifecycle, Rejection};

use crate::suite::Fixture;
use crate::support::{
    MINUTE_MS, admit_all, admit_batch, admit_one, change, checked_holders, coupon_in, expect_issued,
    lifecycle, member, members, open_coupon, rejected, window,
};

/// More requests than fit into the test.
const REQUESTS_MAX: u32 = 1_000;

pub(crate) async fn the_sale_period_follows_the_engines_clock(fixture: &mut dyn Fixture) {
    let coupon = coupon_in("brief", REQUESTS_MAX, window(1_500, Some(2_100)));
    let (opens, closes) = (coupon.window.opens_at(), coupon.window.closes_at().expect("an end"));
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let (mut before, mut inside, mut after) = (0, 0, 0);
    for member in members(0..REQUESTS_MAX) {
        let answer = admit_batch(&*engine, &coupon.id, &[member]).await;
        // Checked against the engine's time of the decision, so that a slow machine does not fail the test.
        let (verdict, now) = (answer.verdicts[0], answer.standing.now);
        if now < opens {
            before += 1;
            assert_eq!(verdict, rejected(Rejection::NotOpen));
        } else if now < closes {
            inside += 1;
            let grant = expect_issued(verdict);
            assert!(opens <= grant.issued_at && grant.issued_at < closes, "issued within the sale period");
        } else {
            after += 1;
            assert_eq!(verdict, rejected(Rejection::Closed));
        }
        if after == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(before > 0 && inside > 0 && after == 3, "{before} before, {inside} inside, {after} after");
    checked_holders(&*engine, &coupon.id, inside).await;
}

pub(crate) async fn a_paused_coupon_resumes(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 3);
    fixture.introduce(&coupon).await;
    let (engine, other_node) = (fixture.engine(), fixture.second_node_engine());
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    let paused = change(&*engine, &coupon.id, lifecycle(Lifecycle::Paused)).await;
    assert_eq!(paused.state(), CouponState::Paused);
    assert_eq!(admit_one(&*other_node, &coupon.id, &member("lee")).await, rejected(Rejection::Paused));
    let resumed = change(&*other_node, &coupon.id, lifecycle(Lifecycle::Active)).await;
    assert_eq!(resumed.state(), CouponState::Open);
    assert_eq!(expect_issued(admit_one(&*engine, &coupon.id, &member("lee")).await).sequence, 2);
}

pub(crate) async fn a_closed_coupon_issues_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    expect_issued(admit_one(&*engine, &coupon.id, &member("kim")).await);
    let closed = change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!((closed.state(), closed.inventory.issued()), (CouponState::Closed, 1));
    let verdicts = admit_all(&*engine, &coupon.id, &members(0..5)).await;
    assert_eq!(verdicts, [rejected(Rejection::Closed); 5]);
    checked_holders(&*engine, &coupon.id, 1).await;
}

pub(crate) async fn final_rejections_come_before_temporary_ones(fixture: &mut dyn Fixture) {
    let engine = fixture.engine();
    let (lee, paused) = (member("lee"), lifecycle(Lifecycle::Paused));

    let early = coupon_in("early", 1, window(MINUTE_MS, None));
    fixture.introduce(&early).await;
    change(&*engine, &early.id, paused).await;
    assert_eq!(
        admit_one(&*engine, &early.id, &lee).await,
        rejected(Rejection::NotOpen),
        "paused before it opens"
    );

    let gone = open_coupon("gone", 1);
    fixture.introduce(&gone).await;
    expect_issued(admit_one(&*engine, &gone.id, &member("kim")).await);
    change(&*engine, &gone.id, paused).await;
    assert_eq!(
        admit_one(&*engine, &gone.id, &lee).await,
        rejected(Rejection::SoldOut),
        "paused when sold out"
    );
    change(&*engine, &gone.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!(
        admit_one(&*engine, &gone.id, &lee).await,
        rejected(Rejection::Closed),
        "closed when sold out"
    );

    let over = coupon_in("over", 1, window(-MINUTE_MS, Some(-1)));
    fixture.introduce(&over).await;
    change(&*engine, &over.id, paused).await;
    assert_eq!(
        admit_one(&*engine, &over.id, &lee).await,
        rejected(Rejection::Closed),
        "paused after the sale period"
    );
}
