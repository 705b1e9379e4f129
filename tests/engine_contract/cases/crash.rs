//! Crashes of the engine.

use openrun::domain::{Lifecycle, Rejection, Verdict};

use crate::suite::Fixture;
use crate::support::{
    admit_all, change, checked_holders, expect_issued, lifecycle, members, open_coupon, rejected, rules_of,
    total,
};

pub(crate) async fn answers_survive_a_crash(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 400);
    fixture.introduce(&coupon).await;
    let ids = members(0..600);
    let before = admit_all(&*fixture.engine(), &coupon.id, &ids).await;
    fixture.reopen().await;
    let engine = fixture.engine();
    fixture.recover(&coupon, 400).await;
    let after = admit_all(&*engine, &coupon.id, &ids).await;
    for (one, two) in before.into_iter().zip(after) {
        let expected = match one {
            Verdict::Issued(grant) | Verdict::Again(grant) => Verdict::Again(grant),
            Verdict::Rejected(rejection) => rejected(rejection),
        };
        assert_eq!(two, expected);
    }
    checked_holders(&*engine, &coupon.id, 400).await;
}

pub(crate) async fn issuing_continues_after_a_crash(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 50);
    fixture.introduce(&coupon).await;
    for round in 0..5 {
        let engine = fixture.engine();
        let verdicts = admit_all(&*engine, &coupon.id, &members(round * 10..round * 10 + 10)).await;
        assert!(
            verdicts
                .into_iter()
                .zip(round * 10 + 1..)
                .all(|(v, sequence)| expect_issued(v).sequence == sequence)
        );
        fixture.reopen().await;
        fixture.recover(&coupon, round * 10 + 10).await;
    }
    let engine = fixture.engine();
    assert_eq!(admit_all(&*engine, &coupon.id, &members(90..91)).await, [rejected(Rejection::SoldOut)]);
    checked_holders(&*engine, &coupon.id, 50).await;
}

pub(crate) async fn changes_of_operators_survive_a_crash(fixture: &mut dyn Fixture) {
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
    // The catalogue has the new total before the engine, and a new lifecycle only after the engine.
    paused.inventory = standing.inventory;
    for coupon in [&paused, &closed] {
        fixture.recover(coupon, 0).await;
        // A starting node loads its catalogue, which may be older than the engine.
        engine.load(coupon).await.expect("loading again is fine");
    }
    let after = engine.standing(&paused.id).await.expect("a standing");
    assert_eq!(rules_of(after), rules_of(standing));
    assert_eq!(engine.standing(&closed.id).await.expect("a standing").lifecycle, Lifecycle::Closed);
    assert!(engine.revision().await.expect("a number") >= revision, "the revision never goes back");
}
