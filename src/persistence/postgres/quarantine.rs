//! The quarantine: issuances that contradict a row of the database, until an operator settles them.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::errors::cause;
use super::rows::{self, Columns};
use super::store::PostgresStore;
use crate::domain::{CouponId, Note};
use crate::ports::{
    Conflict, ConflictFilter, ConflictId, KeptConflict, Quarantine, QuarantineError, Settlement,
};

/// A redelivered conflict adds no row. Returns the places, from 1, of conflicts that were settled before.
const QUARANTINE: &str = "WITH arrived AS (
        SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
            WITH ORDINALITY AS arrived (coupon_id, sequence, member_id, code, issued_at, held, place)
    ), added AS (
        INSERT INTO issuance_conflicts (coupon_id, sequence, member_id, code, issued_at, held)
        SELECT coupon_id, sequence, member_id, code, issued_at, held FROM arrived
        ORDER BY coupon_id COLLATE \"C\", sequence
        ON CONFLICT DO NOTHING
    )
    SELECT arrived.place FROM arrived
    JOIN issuance_conflicts AS kept USING (coupon_id, sequence, member_id, code, issued_at)
    WHERE kept.settled_at IS NOT NULL";

/// The table has no status column: every arrived issuance was unused.
const LIST: &str = "SELECT *, 'UNUSED' AS status FROM issuance_conflicts
    WHERE ($1::text IS NULL OR coupon_id = $1) AND (settled_at IS NOT NULL) = $2 AND id > $3
    ORDER BY id LIMIT $4";

const FIND: &str = "SELECT *, 'UNUSED' AS status FROM issuance_conflicts WHERE id = $1";

const SETTLED: &str =
    "SELECT count(*) FROM issuance_conflicts WHERE coupon_id = $1 AND settled_at IS NOT NULL";

const SETTLE: &str = "UPDATE issuance_conflicts SET settled_at = now(), settled_note = $2
    WHERE id = $1 AND settled_at IS NULL";

#[async_trait]
impl Quarantine for PostgresStore {
    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<KeptConflict>, QuarantineError> {
        let statement = sqlx::query(LIST).bind(filter.coupon.as_ref().map(CouponId::as_str));
        let statement = statement.bind(filter.are_settled).bind(filter.after).bind(i64::from(filter.limit));
        let rows = self.database.fetch_all(statement).await.map_err(failed)?;
        rows.iter().map(kept_conflict).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<KeptConflict>, QuarantineError> {
        let row = self.database.fetch_optional(sqlx::query(FIND).bind(id)).await.map_err(failed)?;
        row.as_ref().map(kept_conflict).transpose().map_err(failed)
    }

    async fn count_settled(&self, coupon: &CouponId) -> Result<u64, QuarantineError> {
        let statement = sqlx::query(SETTLED).bind(coupon.as_str());
        let count: i64 = self.database.fetch_value(statement).await.map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn settle(&self, id: ConflictId, note: &Note) -> Result<Option<KeptConflict>, QuarantineError> {
        let statement = sqlx::query(SETTLE).bind(id).bind(note.as_str());
        self.database.execute(statement).await.map_err(failed)?;
        self.conflict(id).await
    }
}

/// Inserts `conflicts` and sets `is_settled` of those that were settled before.
pub(super) async fn quarantine(
    connection: &mut PgConnection,
    conflicts: &mut [Conflict],
) -> sqlx::Result<()> {
    let Some(columns) = Columns::of(conflicts.iter().map(|conflict| &conflict.arrived)) else {
        return Err(sqlx::Error::Encode(rows::SEQUENCE_TOO_LARGE.into()));
    };
    let held: Vec<&str> = conflicts.iter().map(|conflict| conflict.held.as_str()).collect();
    let settled: Vec<i64> = sqlx::query_scalar(QUARANTINE)
        .bind(columns.coupon_ids)
        .bind(columns.sequences)
        .bind(columns.member_ids)
        .bind(columns.codes)
        .bind(columns.issued_at)
        .bind(held)
        .fetch_all(connection)
        .await?;
    for (place, conflict) in (1..).zip(conflicts) {
        conflict.is_settled = settled.contains(&place);
    }
    Ok(())
}

/// Needs every column of the quarantine, and `status`.
fn kept_conflict(row: &PgRow) -> sqlx::Result<KeptConflict> {
    let settled_at: Option<OffsetDateTime> = row.try_get("settled_at")?;
    let note: Option<String> = row.try_get("settled_note")?;
    let settlement = match (settled_at, note) {
        (Some(at), Some(note)) => Some(Settlement { at: rows::timestamp(at)?, note }),
        _ => None,
    };
    let arrived = rows::issuance(row)?;
    let is_settled = settlement.is_some();
    Ok(KeptConflict {
        id: row.try_get("id")?,
        conflict: Conflict { arrived, held: row.try_get("held")?, is_settled },
        noticed_at: rows::timestamp(row.try_get("noticed_at")?)?,
        settlement,
    })
}

fn failed(error: sqlx::Error) -> QuarantineError {
    QuarantineError(cause(error))
}
