//! The transaction of a group of batches.

use sqlx::{AssertSqlSafe, Row};

use super::{BEGIN, COUNTS, COUPONS, Decided, Decision, Grant, HELD, Timestamp, issue};
use crate::domain::{Inventory, Verdict};
use crate::persistence::sqlite::engine::tests::{coupon, engine, id, load, request};
use crate::ports::AdmissionEngine;

#[tokio::test]
async fn a_stale_count_fails_the_whole_transaction() {
    let (engine, _directory) = engine().await;
    load(&engine, &[id("drop")]).await;
    let mut coupon = coupon(id("drop"));
    let standing = coupon.standing(Timestamp::from_ms(0));
    coupon.inventory = Inventory::with_issued(3, 1).unwrap();
    let winners =
        vec![(request("kim")[0].member.clone(), Grant { sequence: 2, issued_at: coupon.created_at })];
    let stale = Decided { coupon, decision: Decision { verdicts: Vec::new(), winners, standing } };
    let transaction = engine.database.with_writer(move |c| {
        Box::pin(async move {
            sqlx::query(&**BEGIN).bind("[]").bind("[]").execute(&mut *c).await?;
            issue(c, [&stale].into_iter()).await
        })
    });
    assert!(transaction.await.is_err(), "the decision assumes an issuance that does not exist");
    let answer = engine.admit(&id("drop"), &request("lee")).await.unwrap();
    let [Verdict::Issued(grant)] = answer.verdicts[..] else { panic!("{answer:?}") };
    assert_eq!(
        (grant.sequence, answer.standing.inventory.issued()),
        (1, 1),
        "the failed transaction left nothing"
    );
}

#[tokio::test]
async fn every_query_uses_an_index() {
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
        assert!(scans.iter().all(|step| step.contains("VIRTUAL TABLE")), "full scan of a table: {scans:?}");
    }
}
