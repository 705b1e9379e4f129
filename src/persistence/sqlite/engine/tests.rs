//! What the contract suite of all engines cannot see.

use sqlx::{AssertSqlSafe, Row};

use super::{
    AdmissionEngine, AdmissionRequest, Coupon, Decision, EmbeddedEngine, HELD, MemberId, SqliteDatabase,
    Timestamp, issue,
};
use crate::domain::{CodeSalt, CouponId, Inventory, NewCoupon, Terms, Window};
use crate::ports::{Grant, Verdict};

fn coupon() -> Coupon {
    let start = Timestamp::from_ms(0);
    let new = NewCoupon {
        id: CouponId::parse("drop").unwrap(),
        terms: Terms::new("Drop", "", "10 %").unwrap(),
        inventory: Inventory::new(3).unwrap(),
        window: Window::new(start, None).unwrap(),
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), start).unwrap()
}

fn batch(member: &str) -> [AdmissionRequest; 1] {
    [AdmissionRequest { member: MemberId::parse(member).unwrap(), traceparent: None }]
}

#[tokio::test]
async fn a_count_that_moved_lets_nothing_of_the_batch_be_committed() {
    let directory = tempfile::tempdir().unwrap();
    let engine = EmbeddedEngine::new(SqliteDatabase::open(directory.path()).await.unwrap());
    let coupon = coupon();
    engine.load(&coupon).await.unwrap();
    let stale = Decision {
        verdicts: Vec::new(),
        winners: vec![(batch("kim")[0].member.clone(), Grant { sequence: 2, issued_at: coupon.created_at })],
        standing: coupon.standing(coupon.created_at),
    };
    let written = engine.database.in_turn(move |c| {
        Box::pin(async move {
            sqlx::query("BEGIN IMMEDIATE").execute(&mut *c).await?;
            let coupon = Coupon { inventory: Inventory::with_issued(3, 1).unwrap(), ..coupon };
            issue(c, &coupon, coupon.created_at, &stale).await
        })
    });
    assert!(written.await.is_err(), "one was counted that is not there");
    let answer = engine.admit(&CouponId::parse("drop").unwrap(), &batch("lee")).await.unwrap();
    let [Verdict::Issued(grant)] = answer.verdicts[..] else { panic!("{answer:?}") };
    assert_eq!((grant.sequence, answer.standing.inventory.issued()), (1, 1), "as if nothing had been tried");
}

#[tokio::test]
async fn a_clock_that_was_set_back_while_the_process_was_away_does_not_set_issuing_back() {
    let directory = tempfile::tempdir().unwrap();
    let engine = EmbeddedEngine::new(SqliteDatabase::open(directory.path()).await.unwrap());
    let (coupon, ahead) = (coupon(), Timestamp::from_ms(4_000_000_000_000));
    engine.load(&coupon).await.unwrap();
    engine.admit(&coupon.id, &batch("kim")).await.unwrap();
    let work =
        |sql| engine.database.write(move |c| Box::pin(async move { sqlx::query(sql).execute(c).await }));
    work("DROP TRIGGER issuance_is_final").await.unwrap();
    work("UPDATE coupon_issuances SET issued_at_ms = 4000000000000").await.unwrap();
    let answer = engine.admit(&coupon.id, &batch("lee")).await.unwrap();
    assert_eq!(answer.verdicts, [Verdict::Issued(Grant { sequence: 2, issued_at: ahead })]);
    assert!(answer.standing.now < ahead, "the window goes by the clock itself");
    let held = engine.find(&coupon.id, &batch("lee")[0].member).await.unwrap();
    assert_eq!(held, Some(Grant { sequence: 2, issued_at: ahead }));
}

#[tokio::test]
async fn members_of_a_batch_are_looked_up_by_the_index() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(directory.path()).await.unwrap();
    let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {HELD}")));
    let steps = plan.bind("drop").bind("[]").fetch_all(database.readers()).await.unwrap();
    let by_index = |step: &str| step.starts_with("SEARCH held") && step.contains("member_id=?");
    assert!(steps.iter().any(|step| by_index(step.get("detail"))), "it would read the whole coupon");
}
