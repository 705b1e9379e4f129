//! Window and lifecycle: not open, open, paused, closed, by the engine's own clock.

use std::time::Duration;

use openrun::domain::{CouponState, Lifecycle, Rejection};

use crate::suite::Fixture;
use crate::support::{
    MINUTE_MS, ask, ask_all, ask_batch, change, coupon_in, issued, lifecycle, member, members, open_coupon,
    rejected, truth, window,
};

/// More asks than fit between the beginning and the end of the test's window.
const ASKS_MAX: u32 = 1_000;

pub(crate) async fn the_window_is_kept_by_the_engines_own_clock(fixture: &mut dyn Fixture) {
    let coupon = coupon_in("brief", ASKS_MAX, window(1_500, Some(2_100)));
    let (opens, closes) = (coupon.window.opens_at(), coupon.window.closes_at().expect("an end"));
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let (mut before, mut inside, mut after) = (0, 0, 0);
    for member in members(0..ASKS_MAX) {
        let answer = ask_batch(&*engine, &coupon.id, &[member]).await;
        // Judged by the moment the engine says it decided at, so that a slow computer proves nothing wrong.
        let (verdict, now) = (answer.verdicts[0], answer.standing.now);
        if now < opens {
            before += 1;
            assert_eq!(verdict, rejected(Rejection::NotOpen));
        } else if now < closes {
            inside += 1;
            let grant = issued(verdict);
            assert!(opens <= grant.issued_at && grant.issued_at < closes, "issued inside the window");
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
    truth(&*engine, &coupon.id, inside).await;
}

pub(crate) async fn a_paused_coupon_resumes(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 3);
    fixture.introduce(&coupon).await;
    let (engine, other_node) = (fixture.engine(), fixture.second_node_engine());
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
    let paused = change(&*engine, &coupon.id, lifecycle(Lifecycle::Paused)).await;
    assert_eq!(paused.state(), CouponState::Paused);
    assert_eq!(ask(&*other_node, &coupon.id, &member("lee")).await, rejected(Rejection::Paused));
    let resumed = change(&*other_node, &coupon.id, lifecycle(Lifecycle::Active)).await;
    assert_eq!(resumed.state(), CouponState::Open);
    assert_eq!(issued(ask(&*engine, &coupon.id, &member("lee")).await).sequence, 2);
}

pub(crate) async fn a_closed_coupon_issues_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 10);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    issued(ask(&*engine, &coupon.id, &member("kim")).await);
    let closed = change(&*engine, &coupon.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!((closed.state(), closed.inventory.issued()), (CouponState::Closed, 1));
    let verdicts = ask_all(&*engine, &coupon.id, &members(0..5)).await;
    assert_eq!(verdicts, [rejected(Rejection::Closed); 5]);
    truth(&*engine, &coupon.id, 1).await;
}

pub(crate) async fn what_is_final_is_said_first(fixture: &mut dyn Fixture) {
    let engine = fixture.engine();
    let (lee, paused) = (member("lee"), lifecycle(Lifecycle::Paused));

    let early = coupon_in("early", 1, window(MINUTE_MS, None));
    fixture.introduce(&early).await;
    change(&*engine, &early.id, paused).await;
    assert_eq!(ask(&*engine, &early.id, &lee).await, rejected(Rejection::NotOpen), "paused before it opens");

    let gone = open_coupon("gone", 1);
    fixture.introduce(&gone).await;
    issued(ask(&*engine, &gone.id, &member("kim")).await);
    change(&*engine, &gone.id, paused).await;
    assert_eq!(ask(&*engine, &gone.id, &lee).await, rejected(Rejection::SoldOut), "paused when sold out");
    change(&*engine, &gone.id, lifecycle(Lifecycle::Closed)).await;
    assert_eq!(ask(&*engine, &gone.id, &lee).await, rejected(Rejection::Closed), "closed when sold out");

    let over = coupon_in("over", 1, window(-MINUTE_MS, Some(-1)));
    fixture.introduce(&over).await;
    change(&*engine, &over.id, paused).await;
    assert_eq!(ask(&*engine, &over.id, &lee).await, rejected(Rejection::Closed), "paused after the window");
}
