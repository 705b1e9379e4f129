//! The one transaction of some batches.

use sqlx::{AssertSqlSafe, Row};

use super::{BEGIN, COUNTS, COUPONS, Decided, Decision, Grant, HELD, Timestamp, issue};
use crate::domain::{Inventory, Verdict};
use crate::persistence::sqlite::engine::tests::{asking, coupon, engine, id, load};
use crate::ports::AdmissionEngine;

#[tokio::test]
async fn a_count_that_moved_lets_nothing_of_the_batch_be_committed() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    let mut coupon = coupon(id("drop"));
    let standing = coupon.standing(Timestamp::from_ms(0));
    coupon.inventory = Inventory::with_issued(3, 1).unwrap();
    let winners =
        vec![(asking("kim")[0].member.clone(), Grant { sequence: 2, issued_at: coupon.created_at })];
    let stale = Decided { coupon, decision: Decision { verdicts: Vec::new(), winners, standing } };
    let written = engine.database.in_turn(move |c| {
        Box::pin(async move {
            sqlx::query(&**BEGIN).bind("[]").bind("[]").execute(&mut *c).await?;
            issue(c, [&stale].into_iter()).await
        })
    });
    assert!(written.await.is_err(), "one was counted that is not there");
    let answer = engine.admit(&id("drop"), &asking("lee")).await.unwrap();
    let [Verdict::Issued(grant)] = answer.verdicts[..] else { panic!("{answer:?}") };
    assert_eq!((grant.sequence, answer.standing.inventory.issued()), (1, 1), "as if nothing had been tried");
}

#[tokio::test]
async fn nothing_is_looked_for_without_an_index() {
    let (engine, _directory) = engine().await;
    let steps = async |sql: &str, arguments: usize| {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let query = (0..arguments).fold(sqlx::query(AssertSqlSafe(plan)), |query, _| query.bind("[]"));
        let steps = query.fetch_all(engine.database.readers()).await.unwrap();
        steps.iter().map(|step| step.get("detail")).collect::<Vec<String>>()
    };
    for (sql, arguments, index) in [
        (COUPONS, 1, "SEARCH coupons USING PRIMARY KEY"),
        (HELD, 2, "(coupon_id=? AND member_id=?)"),
        (COUNTS, 3, "SEARCH coupons USING PRIMARY KEY"),
    ] {
        let steps = steps(sql, arguments).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
        let scans: Vec<_> = steps.iter().filter(|step| step.starts_with("SCAN")).collect();
        assert!(scans.iter().all(|step| step.contains("VIRTUAL TABLE")), "a whole table is read: {scans:?}");
    }
}
