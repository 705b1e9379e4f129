//! Those who hold one, and finding them.

use std::collections::HashSet;

use crate::suite::Fixture;
use crate::support::{all_winners, ask_all, held, member, members, open_coupon};

pub(crate) async fn the_pages_hold_all_winners_and_nobody_else(fixture: &mut dyn Fixture) {
    let (coupon, other) = (open_coupon("drop", 5_000), open_coupon("drop-2", 10));
    fixture.introduce(&coupon).await;
    fixture.introduce(&other).await;
    let engine = fixture.engine();
    ask_all(&*engine, &other.id, &members(9_000..9_010)).await;
    // Some ask when it is sold out: they are no winners.
    let who = members(0..5_300);
    let verdicts = ask_all(&*engine, &coupon.id, &who).await;
    let expected: HashSet<_> = who
        .iter()
        .zip(&verdicts)
        .filter(|(_, verdict)| held(**verdict).is_some())
        .map(|(m, _)| m.clone())
        .collect();
    assert_eq!(expected.len(), 5_000);
    for node in [engine, fixture.second_node_engine()] {
        let found: HashSet<_> = all_winners(&*node, &coupon.id).await.into_iter().collect();
        assert_eq!(found, expected);
    }
}

pub(crate) async fn a_coupon_nobody_holds_has_no_winners(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    assert_eq!(all_winners(&*fixture.engine(), &coupon.id).await, []);
}

pub(crate) async fn finding_somebody_without_one_finds_nothing(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let verdicts = ask_all(&*engine, &coupon.id, &members(0..8)).await;
    for (member, verdict) in members(0..8).iter().zip(verdicts) {
        assert_eq!(engine.find(&coupon.id, member).await.expect("an answer"), held(verdict));
    }
    assert_eq!(engine.find(&coupon.id, &member("nobody")).await.expect("an answer"), None);
}
