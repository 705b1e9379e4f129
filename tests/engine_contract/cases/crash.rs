//! The engine dies without a goodbye and comes back.

use openrun::domain::{Lifecycle, Rejection, Verdict};

use crate::suite::Fixture;
use crate::support::{
    ask_all, change, issued, lifecycle, members, open_coupon, rejected, total, truth, what_decides,
};

pub(crate) async fn what_was_answered_survives(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 400);
    fixture.introduce(&coupon).await;
    let who = members(0..600);
    let before = ask_all(&*fixture.engine(), &coupon.id, &who).await;
    fixture.reopen().await;
    let engine = fixture.engine();
    fixture.recover(&coupon, 400).await;
    let after = ask_all(&*engine, &coupon.id, &who).await;
    for (one, two) in before.into_iter().zip(after) {
        let expected = match one {
            Verdict::Issued(grant) | Verdict::Again(grant) => Verdict::Again(grant),
            Verdict::Rejected(rejection) => rejected(rejection),
        };
        assert_eq!(two, expected);
    }
    truth(&*engine, &coupon.id, 400).await;
}

pub(crate) async fn issuing_goes_on_where_it_was(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 50);
    fixture.introduce(&coupon).await;
    for round in 0..5 {
        let engine = fixture.engine();
        let verdicts = ask_all(&*engine, &coupon.id, &members(round * 10..round * 10 + 10)).await;
        assert!(verdicts.into_iter().zip(round * 10 + 1..).all(|(v, place)| issued(v).sequence == place));
        fixture.reopen().await;
        fixture.recover(&coupon, round * 10 + 10).await;
    }
    let engine = fixture.engine();
    assert_eq!(ask_all(&*engine, &coupon.id, &members(90..91)).await, [rejected(Rejection::SoldOut)]);
    truth(&*engine, &coupon.id, 50).await;
}

pub(crate) async fn changes_of_operators_survive(fixture: &mut dyn Fixture) {
    let (mut paused, closed) = (open_coupon("paused", 5), open_coupon("closed", 5));
    fixture.introduce(&paused).await;
    fixture.introduce(&closed).await;
    let engine = fixture.engine();
    change(&*engine, &paused.id, total(9)).await;
    let standing = change(&*engine, &paused.id, lifecycle(Lifecycle::Paused)).await;
    change(&*engine, &closed.id, lifecycle(Lifecycle::Closed)).await;
    let revision = engine.revision().await.expect("a number");
    drop(engine);
    fixture.reopen().await;
    let engine = fixture.engine();
    // The catalogue is told of a total before it is raised, and of a lifecycle only after it has changed.
    paused.inventory = standing.inventory;
    for coupon in [&paused, &closed] {
        fixture.recover(coupon, 0).await;
        // A node that starts loads what its catalogue has, which may be older.
        engine.load(coupon).await.expect("loading again is fine");
    }
    let after = engine.standing(&paused.id).await.expect("a standing");
    assert_eq!(what_decides(after), what_decides(standing));
    assert_eq!(engine.standing(&closed.id).await.expect("a standing").lifecycle, Lifecycle::Closed);
    assert!(engine.revision().await.expect("a number") >= revision, "the revision never goes back");
}
