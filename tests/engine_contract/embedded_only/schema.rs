//! Constraints of the schema, which keep the promises even if the code above has a defect.

use sqlx::AssertSqlSafe;

use super::{database, engine, foreign_connection};
use crate::support::{admit_all, members, open_coupon};

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_breaks_a_promise() {
    let (database, directory) = database().await;
    for (name, count) in [("full", 2), ("other", 1)] {
        let coupon = open_coupon(name, 2);
        engine(&database).load(&coupon).await.unwrap();
        admit_all(&*engine(&database), &coupon.id, &members(0..count)).await;
    }
    let mut connection = foreign_connection(directory.path()).await;
    let issuance = |coupon: &str, sequence: u32, member: &str, code: &str| {
        format!(
            "INSERT INTO coupon_issuances VALUES ('{coupon}', {sequence}, '{member}', {code}, 'UNUSED', 1)"
        )
    };
    let (fresh, taken) = ("'00000-00000-00000-00000'", "(SELECT code FROM coupon_issuances LIMIT 1)");
    let update = |change: &str| format!("UPDATE coupons SET {change} WHERE id = 'full'");
    let forbidden = [
        ("above the total", issuance("full", 3, "kim", fresh)),
        ("a sequence twice", issuance("other", 1, "kim", fresh)),
        ("a member twice", issuance("other", 2, "member-0", fresh)),
        ("a code twice", issuance("other", 2, "kim", taken)),
        ("sequence nought", issuance("other", 0, "kim", fresh)),
        ("no such coupon", issuance("nothing", 1, "kim", fresh)),
        ("another holder", "UPDATE coupon_issuances SET member_id = 'kim' WHERE coupon_id = 'other'".into()),
        ("a total below issued", update("total = 1")),
        ("a total below the rows", update("total = 1, issued = 1")),
        ("issued taken back", update("issued = 1")),
        ("issued above the total", update("issued = 3")),
        ("other terms", update("discount = '90%'")),
        ("another sale period", update("closes_at_ms = opens_at_ms + 1")),
        ("an unknown lifecycle", update("lifecycle = 'open'")),
        ("a deleted coupon", "DELETE FROM coupons WHERE id = 'full'".into()),
        ("a second revision", "INSERT INTO engine_revision VALUES (2, 1)".into()),
    ];
    for (case, sql) in forbidden {
        let outcome = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await;
        assert!(outcome.is_err(), "{case} was allowed");
    }
    // A similar statement succeeds, so the others were not refused for their syntax.
    let allowed = issuance("other", 2, "kim", fresh);
    sqlx::query(AssertSqlSafe(allowed)).execute(&mut connection).await.unwrap();
    sqlx::query(AssertSqlSafe(update("lifecycle = 'closed'"))).execute(&mut connection).await.unwrap();
    let reopened = sqlx::query(AssertSqlSafe(update("lifecycle = 'active'"))).execute(&mut connection).await;
    assert!(reopened.is_err(), "a closed coupon was reopened");
}
