//! Exactly the total, dense, in the order of asking.

use openrun::domain::{CouponState, Rejection};

use crate::suite::Fixture;
use crate::support::{
    ask, ask_all, ask_batch, change, held, issued, members, now, open_coupon, rejected, total, truth,
};

pub(crate) async fn exactly_the_total_is_issued_with_dense_sequences(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 300);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let verdicts = ask_all(&*engine, &coupon.id, &members(0..700)).await;
    let sequences: Vec<u32> = verdicts[..300].iter().map(|verdict| issued(*verdict).sequence).collect();
    assert_eq!(sequences, (1..=300).collect::<Vec<_>>());
    assert!(verdicts[300..].iter().all(|verdict| *verdict == rejected(Rejection::SoldOut)));
    truth(&*engine, &coupon.id, 300).await;
    let standing = engine.standing(&coupon.id).await.expect("a standing");
    assert_eq!((standing.state(), standing.inventory.remaining()), (CouponState::SoldOut, 0));
}

pub(crate) async fn whoever_is_answered_before_another_asks_has_the_smaller_sequence(
    fixture: &mut dyn Fixture,
) {
    let coupon = open_coupon("drop", 100);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    for (turn, member) in members(0..100).iter().enumerate() {
        let grant = issued(ask(&*nodes[turn % 2], &coupon.id, member).await);
        assert_eq!(grant.sequence as usize, turn + 1, "the nodes see one order");
    }
}

pub(crate) async fn later_sequences_never_have_earlier_times(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 200);
    fixture.introduce(&coupon).await;
    let (before, engine) = (now(), fixture.engine());
    for batch in members(0..200).chunks(7) {
        ask_batch(&*engine, &coupon.id, batch).await;
    }
    let truth = truth(&*engine, &coupon.id, 200).await;
    let times: Vec<_> = truth.values().map(|(_, grant)| grant.issued_at).collect();
    assert!(times.is_sorted(), "times follow the sequences");
    assert!(before <= times[0] && times[199] <= now(), "times are those of the asking");
}

pub(crate) async fn many_coupons_do_not_disturb_each_other(fixture: &mut dyn Fixture) {
    // One name begins another, and two differ only in their case: whatever makes keys of ids must not mix them.
    let mut longest = "x".repeat(64);
    let mut names = vec!["a".to_owned(), "aa".to_owned(), "A".to_owned(), "a-1".to_owned(), "a_1".to_owned()];
    names.push(longest.clone());
    longest.replace_range(63.., "y");
    names.push(longest);
    let engine = fixture.engine();
    let mut coupons = Vec::new();
    for (size, name) in (3..).zip(&names) {
        coupons.push(open_coupon(name, size));
        fixture.introduce(&coupons[coupons.len() - 1]).await;
    }
    for member in members(0..6) {
        for coupon in &coupons {
            let verdict = ask(&*engine, &coupon.id, &member).await;
            let standing = engine.standing(&coupon.id).await.expect("a standing");
            assert!(held(verdict).is_none_or(|grant| grant.sequence == standing.inventory.issued()));
        }
    }
    change(&*engine, &coupons[0].id, total(50)).await;
    for (size, coupon) in (3..).zip(&coupons) {
        truth(&*engine, &coupon.id, size.min(6)).await;
    }
}

pub(crate) async fn loading_is_idempotent_and_keeps_what_is_issued(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    ask_all(&*engine, &coupon.id, &members(0..3)).await;
    change(&*engine, &coupon.id, total(4)).await;
    let before = truth(&*engine, &coupon.id, 3).await;
    // What a node loads from its catalogue may be older than what the engine knows by now.
    for node in [&engine, &fixture.second_node_engine()] {
        node.load(&coupon).await.expect("loading again is fine");
    }
    assert_eq!(truth(&*engine, &coupon.id, 3).await, before);
    let verdicts = ask_all(&*engine, &coupon.id, &members(3..6)).await;
    assert_eq!(issued(verdicts[0]).sequence, 4);
    assert_eq!(verdicts[1..], [rejected(Rejection::SoldOut); 2], "the total is the one that was set last");
}
