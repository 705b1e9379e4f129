//! The quarantine: issuances that contradict a row of the database, until an operator settles them.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::rows;
use super::store::SqliteIssuanceStore;
use crate::domain::{CouponId, Note, Timestamp};
use crate::ports::{
    Conflict, ConflictFilter, ConflictId, KeptConflict, Quarantine, QuarantineError, Settlement,
};

#[async_trait]
impl Quarantine for SqliteIssuanceStore {
    async fn conflicts(&self, filter: &ConflictFilter) -> Result<Vec<KeptConflict>, QuarantineError> {
        let sql = "SELECT * FROM issuance_quarantine
            WHERE ($1 IS NULL OR coupon_id = $1) AND (settled_at_ms IS NOT NULL) = $2 AND id > $3
            ORDER BY id LIMIT $4";
        let query = sqlx::query(sql).bind(filter.coupon.as_ref().map(CouponId::as_str));
        let query = query.bind(filter.are_settled).bind(filter.after).bind(filter.limit);
        let found = query.fetch_all(self.database.readers()).await.map_err(failed)?;
        found.iter().map(kept_conflict).collect::<Result<_, _>>().map_err(failed)
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<KeptConflict>, QuarantineError> {
        let query = sqlx::query("SELECT * FROM issuance_quarantine WHERE id = $1").bind(id);
        let found = query.fetch_optional(self.database.readers()).await.map_err(failed)?;
        found.as_ref().map(kept_conflict).transpose().map_err(failed)
    }

    async fn count_settled(&self, coupon: &CouponId) -> Result<u64, QuarantineError> {
        let sql = "SELECT count(*) FROM issuance_quarantine
            WHERE coupon_id = $1 AND settled_at_ms IS NOT NULL";
        let query = sqlx::query_scalar(sql).bind(coupon.as_str());
        let count: i64 = query.fetch_one(self.database.readers()).await.map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn settle(&self, id: ConflictId, note: &Note) -> Result<Option<KeptConflict>, QuarantineError> {
        let (note, now) = (note.as_str().to_owned(), self.database.clock().now());
        let sql = "UPDATE issuance_quarantine SET settled_at_ms = $2, settled_note = $3
            WHERE id = $1 AND settled_at_ms IS NULL";
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(sql).bind(id).bind(now.as_ms()).bind(note).execute(connection).await.map(drop)
                })
            })
            .await
            .map_err(failed)?;
        self.conflict(id).await
    }
}

/// Inserts `conflict` and sets `is_settled` if it was settled before.
pub(super) async fn quarantine(
    connection: &mut SqliteConnection,
    conflict: &mut Conflict,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // A no-op update lets RETURNING give the existing row.
    let sql = "INSERT INTO issuance_quarantine
            (coupon_id, sequence, member_id, code, status, issued_at_ms, held, arrived_at_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (coupon_id, sequence, member_id, code, status, issued_at_ms) DO UPDATE SET held = held
        RETURNING settled_at_ms IS NOT NULL AS is_settled";
    let arrived = &conflict.arrived;
    let row = sqlx::query(sql)
        .bind(arrived.coupon_id.as_str())
        .bind(arrived.sequence)
        .bind(arrived.member_id.as_str())
        .bind(arrived.code.as_str())
        .bind(arrived.status.as_str())
        .bind(arrived.issued_at.as_ms())
        .bind(&conflict.held)
        .bind(now.as_ms())
        .fetch_one(connection)
        .await?;
    conflict.is_settled = row.try_get("is_settled")?;
    Ok(())
}

/// Needs every column of the quarantine.
fn kept_conflict(row: &SqliteRow) -> Result<KeptConflict, sqlx::Error> {
    let note: Option<String> = row.try_get("settled_note")?;
    let settlement = match (rows::optional_moment(row, "settled_at_ms")?, note) {
        (Some(at), Some(note)) => Some(Settlement { at, note }),
        _ => None,
    };
    let arrived = rows::issuance(row)?;
    let is_settled = settlement.is_some();
    Ok(KeptConflict {
        id: row.try_get("id")?,
        conflict: Conflict { arrived, held: row.try_get("held")?, is_settled },
        noticed_at: rows::moment(row, "arrived_at_ms")?,
        settlement,
    })
}

fn failed(error: sqlx::Error) -> QuarantineError {
    QuarantineError(error.into())
}
