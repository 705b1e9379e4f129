//! Tests that need access to the database file, which the contract suite of all engines does not have.

use tempfile::TempDir;

use super::{AdmissionEngine, Coupon, CouponId, EmbeddedEngine, MemberId, SqliteDatabase, Timestamp};
use crate::domain::{AdmissionRequest, CodeSalt, Grant, Inventory, NewCoupon, SalePeriod, Terms, Verdict};

pub(super) async fn engine() -> (EmbeddedEngine, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (EmbeddedEngine::new(SqliteDatabase::open(directory.path()).await.unwrap()), directory)
}

pub(super) fn id(id: &str) -> CouponId {
    CouponId::parse(id).unwrap()
}

pub(super) fn coupon(id: CouponId) -> Coupon {
    let start = Timestamp::from_ms(0);
    let new = NewCoupon {
        id,
        terms: Terms::new("Drop", "", "10 %").unwrap(),
        inventory: Inventory::new(3).unwrap(),
        window: SalePeriod::new(start, None).unwrap(),
        valid_until: None,
    };
    Coupon::create(new, CodeSalt::from_bytes([7; 32]), start).unwrap()
}

/// Loads coupons with a total of three.
pub(super) async fn load(engine: &EmbeddedEngine, coupons: &[CouponId]) {
    for id in coupons {
        engine.load(&coupon(id.clone())).await.unwrap();
    }
}

pub(super) fn request(member: &str) -> [AdmissionRequest; 1] {
    [AdmissionRequest { member: MemberId::parse(member).unwrap(), traceparent: None }]
}

/// Changes the file outside the engine; constraints of the schema still hold.
pub(super) async fn execute_sql(engine: &EmbeddedEngine, sql: &'static str) {
    let done =
        engine.database.write(move |c| Box::pin(async move { sqlx::raw_sql(sql).execute(c).await })).await;
    done.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_between_two_processes_does_not_set_issued_at_back() {
    let (engine, _directory) = engine().await;
    let drop = id("drop");
    let ahead = Timestamp::from_ms(4_000_000_000_000);
    load(&engine, std::slice::from_ref(&drop)).await;
    engine.admit(&drop, &request("kim")).await.unwrap();
    let later = "DROP TRIGGER issuance_is_final; UPDATE coupon_issuances SET issued_at_ms = 4000000000000";
    execute_sql(&engine, later).await;
    let answer = engine.admit(&drop, &request("lee")).await.unwrap();
    assert_eq!(answer.verdicts, [Verdict::Issued(Grant { sequence: 2, issued_at: ahead })]);
    assert!(answer.standing.now < ahead, "the sale period follows the clock itself");
    let held = engine.find(&drop, &request("lee")[0].member).await.unwrap();
    assert_eq!(held, Some(Grant { sequence: 2, issued_at: ahead }));
}
