//! Constraints of the database, tested by raw SQL.

use openrun::ports::IssuanceStore;

use crate::fixtures::{Stage, issuances};

const CODE: &str = "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ";

fn row(sequence: i64, member: &str, code: &str) -> String {
    format!("('drop', {sequence}, '{member}', '{code}', 'UNUSED', now())")
}

fn insert(rows: &[String]) -> String {
    let columns = "coupon_id, sequence, member_id, code, status, issued_at";
    format!("INSERT INTO coupon_issuances ({columns}) VALUES {}", rows.join(", "))
}

async fn assert_refused_by(stage: &Stage, statement: &str, constraint: &str) {
    let error = stage.execute(statement).await.expect_err(statement);
    let found = error.as_database_error().and_then(sqlx::error::DatabaseError::constraint).map(str::to_owned);
    assert_eq!(found.as_deref(), Some(constraint), "{statement}: {error}");
}

#[tokio::test]
async fn nothing_is_issued_above_the_total() {
    let stage = Stage::new(3).await;
    assert_refused_by(&stage, &insert(&[row(4, "kim", CODE)]), "coupon_issuances_within_total").await;
    // One row above the total fails the whole statement.
    let both = insert(&[row(3, "kim", CODE), row(4, "lee", "00000-00000-00000-00000")]);
    assert_refused_by(&stage, &both, "coupon_issuances_within_total").await;
    assert_eq!(stage.number("SELECT count(*) FROM coupon_issuances").await, 0);
    stage.execute(&insert(&[row(3, "kim", CODE)])).await.unwrap();
}

#[tokio::test]
async fn sequence_member_and_code_are_unique() {
    let stage = Stage::new(10).await;
    stage.execute(&insert(&[row(1, "kim", CODE)])).await.unwrap();
    let other = "00000-00000-00000-00000";
    assert_refused_by(&stage, &insert(&[row(1, "lee", other)]), "coupon_issuances_pkey").await;
    assert_refused_by(&stage, &insert(&[row(2, "kim", other)]), "coupon_issuances_one_a_member").await;
    assert_refused_by(&stage, &insert(&[row(2, "lee", CODE)]), "coupon_issuances_one_a_code").await;
}

#[tokio::test]
async fn values_the_service_never_writes_are_refused() {
    let stage = Stage::new(10).await;
    assert_refused_by(&stage, &insert(&[row(0, "kim", CODE)]), "coupon_issuances_sequence_check").await;
    assert_refused_by(&stage, &insert(&[row(1, "", CODE)]), "coupon_issuances_member_id_check").await;
    assert_refused_by(&stage, &insert(&[row(1, "kim", "guess")]), "coupon_issuances_code_check").await;
    let lost = insert(&[row(1, "kim", CODE)]).replace("UNUSED", "LOST");
    assert_refused_by(&stage, &lost, "coupon_issuances_status_check").await;
    assert_refused_by(&stage, "UPDATE coupons SET salt = '\\x00'", "coupons_salt_check").await;
    assert_refused_by(&stage, "UPDATE coupons SET lifecycle = 'sleeping'", "coupons_lifecycle_check").await;
    assert_refused_by(&stage, "UPDATE coupons SET total = 0", "coupons_total_check").await;
}

#[tokio::test]
async fn a_total_is_not_lowered_below_the_highest_sequence() {
    let stage = Stage::new(10).await;
    stage.store.insert(&issuances([1, 7])).await.unwrap();
    assert_refused_by(&stage, "UPDATE coupons SET total = 6", "coupons_total_not_below_issued").await;
    stage.execute("UPDATE coupons SET total = 7").await.unwrap();
    stage.execute("UPDATE coupons SET total = 20").await.unwrap();
}

/// Lowering takes a lock. Without it, the insertion could pass under the old total without being seen by the change.
#[tokio::test]
async fn lowering_a_total_and_inserting_above_it_never_both_succeed() {
    let stage = Stage::new(10).await;
    for round in 0..50 {
        let batch = issuances([10]);
        let (lowered, inserted) = futures_util::future::join(
            stage.execute("UPDATE coupons SET total = 9"),
            stage.store.insert(&batch),
        )
        .await;
        assert!(lowered.is_ok() != inserted.is_ok(), "round {round}: {lowered:?} {inserted:?}");
        stage.delete_issuances().await;
        stage.execute("UPDATE coupons SET total = 10").await.unwrap();
    }
}

#[tokio::test]
async fn an_issuance_keeps_its_identity_and_may_change_its_status() {
    let stage = Stage::new(10).await;
    stage.store.insert(&issuances([1])).await.unwrap();
    let moved = "UPDATE coupon_issuances SET sequence = 11";
    assert_refused_by(&stage, moved, "coupon_issuances_identity").await;
    assert_refused_by(&stage, "UPDATE coupon_issuances SET member_id = 'lee'", "coupon_issuances_identity")
        .await;
    assert_eq!(stage.execute("UPDATE coupon_issuances SET status = 'USED'").await.unwrap(), 1);
}
