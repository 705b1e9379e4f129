//! Exactly the total is issued, with dense sequences in the order of the requests.

use openrun::domain::{CouponState, Rejection};

use crate::suite::Fixture;
use crate::support::{
    admit_all, admit_batch, admit_one, change, checked_holders, expect_issued, grant_of, members, now,
    open_coupon, rejected, total,
};

pub(crate) async fn exactly_the_total_is_issued_with_dense_sequences(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 300);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    let verdicts = admit_all(&*engine, &coupon.id, &members(0..700)).await;
    let sequences: Vec<u32> =
        verdicts[..300].iter().map(|verdict| expect_issued(*verdict).sequence).collect();
    assert_eq!(sequences, (1..=300).collect::<Vec<_>>());
    assert!(verdicts[300..].iter().all(|verdict| *verdict == rejected(Rejection::SoldOut)));
    checked_holders(&*engine, &coupon.id, 300).await;
    let standing = engine.standing(&coupon.id).await.expect("a standing");
    assert_eq!((standing.state(), standing.inventory.remaining()), (CouponState::SoldOut, 0));
}

pub(crate) async fn an_earlier_answer_has_a_smaller_sequence(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 100);
    fixture.introduce(&coupon).await;
    let nodes = [fixture.engine(), fixture.second_node_engine()];
    for (index, member) in members(0..100).iter().enumerate() {
        let grant = expect_issued(admit_one(&*nodes[index % 2], &coupon.id, member).await);
        assert_eq!(grant.sequence as usize, index + 1, "the nodes share one order");
    }
}

pub(crate) async fn later_sequences_never_have_earlier_times(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 200);
    fixture.introduce(&coupon).await;
    let (before, engine) = (now(), fixture.engine());
    for batch in members(0..200).chunks(7) {
        admit_batch(&*engine, &coupon.id, batch).await;
    }
    let truth = checked_holders(&*engine, &coupon.id, 200).await;
    let times: Vec<_> = truth.values().map(|(_, grant)| grant.issued_at).collect();
    assert!(times.is_sorted(), "times follow the sequences");
    assert!(before <= times[0] && times[199] <= now(), "issuances have the times of their requests");
}

pub(crate) async fn many_coupons_do_not_disturb_each_other(fixture: &mut dyn Fixture) {
    // Ids that are prefixes of each other or differ only in case must not share keys.
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
            let verdict = admit_one(&*engine, &coupon.id, &member).await;
            let standing = engine.standing(&coupon.id).await.expect("a standing");
            assert!(grant_of(verdict).is_none_or(|grant| grant.sequence == standing.inventory.issued()));
        }
    }
    change(&*engine, &coupons[0].id, total(50)).await;
    for (size, coupon) in (3..).zip(&coupons) {
        checked_holders(&*engine, &coupon.id, size.min(6)).await;
    }
}

pub(crate) async fn loading_is_idempotent_and_keeps_what_is_issued(fixture: &mut dyn Fixture) {
    let coupon = open_coupon("drop", 5);
    fixture.introduce(&coupon).await;
    let engine = fixture.engine();
    admit_all(&*engine, &coupon.id, &members(0..3)).await;
    change(&*engine, &coupon.id, total(4)).await;
    let before = checked_holders(&*engine, &coupon.id, 3).await;
    // A node's catalogue may be older than the engine.
    for node in [&engine, &fixture.second_node_engine()] {
        node.load(&coupon).await.expect("loading again is fine");
    }
    assert_eq!(checked_holders(&*engine, &coupon.id, 3).await, before);
    let verdicts = admit_all(&*engine, &coupon.id, &members(3..6)).await;
    assert_eq!(expect_issued(verdicts[0]).sequence, 4);
    assert_eq!(verdicts[1..], [rejected(Rejection::SoldOut); 2], "the total is the one that was set last");
}
