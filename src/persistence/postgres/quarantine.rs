//! Where issuances go that contradict one the database holds, until a person has looked at them.

use sqlx::{PgConnection, Row};

use super::rows::{self, Columns};
use crate::domain::CouponId;
use crate::ports::Conflict;

/// A redelivery of a conflict that is there already adds nothing.
const QUARANTINE: &str =
    "INSERT INTO issuance_conflicts (coupon_id, sequence, member_id, code, issued_at, held)
    SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
        AS arrived (coupon_id, sequence, member_id, code, issued_at, held)
    ORDER BY coupon_id COLLATE \"C\", sequence
    ON CONFLICT DO NOTHING";

/// The table keeps no status: what is in it was new when it came.
const QUARANTINED: &str = "SELECT coupon_id, sequence, member_id, code, 'UNUSED' AS status, issued_at, held
    FROM issuance_conflicts WHERE coupon_id = $1 ORDER BY sequence, member_id LIMIT $2";

/// Reads what has been written down of `coupon`, at most `limit`.
pub(super) async fn quarantined(
    connection: &mut PgConnection,
    coupon: &CouponId,
    limit: u32,
) -> sqlx::Result<Vec<Conflict>> {
    let query = sqlx::query(QUARANTINED).bind(coupon.as_str()).bind(i64::from(limit));
    let found = query.fetch_all(connection).await?;
    let conflict =
        |row| Ok(Conflict { arrived: rows::issuance(row)?, held: row.try_get::<String, _>("held")? });
    found.iter().map(conflict).collect()
}

/// Writes `conflicts` down for good.
pub(super) async fn quarantine(connection: &mut PgConnection, conflicts: &[Conflict]) -> sqlx::Result<()> {
    let Some(columns) = Columns::of(conflicts.iter().map(|conflict| &conflict.arrived)) else {
        return Err(sqlx::Error::Encode("a sequence is beyond what a column holds".into()));
    };
    let held: Vec<&str> = conflicts.iter().map(|conflict| conflict.held.as_str()).collect();
    sqlx::query(QUARANTINE)
        .bind(columns.coupon_ids)
        .bind(columns.sequences)
        .bind(columns.member_ids)
        .bind(columns.codes)
        .bind(columns.issued_at)
        .bind(held)
        .execute(connection)
        .await
        .map(|_| ())
}
