//! Where issuances go that contradict one the database holds, until a person has settled them.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::errors::cause;
use super::rows::{self, Columns};
use super::store::PostgresStore;
use crate::domain::{CouponId, Note};
use crate::ports::{
    Conflict, ConflictId, KeptConflict, Quarantine, QuarantineError, Settlement, WhichConflicts,
};

/// A redelivery of a conflict that is there already adds nothing. Gives the places, from 1, of those that were settled
/// before.
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

/// The table keeps no status: what is in it was new when it came.
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
    async fn conflicts(&self, which: &WhichConflicts) -> Result<Vec<KeptConflict>, QuarantineError> {
        let WhichConflicts { coupon, are_settled, after, limit } = which.clone();
        let found = self
            .database
            .run(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(LIST).bind(coupon.as_ref().map(CouponId::as_str));
                    let query = query.bind(are_settled).bind(after).bind(i64::from(limit));
                    query.fetch_all(connection).await
                })
            })
            .await
            .map_err(failed)?;
        found.iter().map(kept).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn conflict(&self, id: ConflictId) -> Result<Option<KeptConflict>, QuarantineError> {
        let found = self
            .database
            .run(move |connection| {
                Box::pin(async move { sqlx::query(FIND).bind(id).fetch_optional(connection).await })
            })
            .await
            .map_err(failed)?;
        found.as_ref().map(kept).transpose().map_err(failed)
    }

    async fn count_settled(&self, coupon: &CouponId) -> Result<u64, QuarantineError> {
        let id = coupon.clone();
        let count: i64 = self
            .database
            .run(|connection| {
                Box::pin(
                    async move { sqlx::query_scalar(SETTLED).bind(id.as_str()).fetch_one(connection).await },
                )
            })
            .await
            .map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn settle(&self, id: ConflictId, note: &Note) -> Result<Option<KeptConflict>, QuarantineError> {
        let note = note.as_str().to_owned();
        self.database
            .run(move |connection| {
                Box::pin(async move { sqlx::query(SETTLE).bind(id).bind(note).execute(connection).await })
            })
            .await
            .map_err(failed)?;
        self.conflict(id).await
    }
}

/// Writes `conflicts` down for good, and notes which of them were settled before.
pub(super) async fn quarantine(
    connection: &mut PgConnection,
    conflicts: &mut [Conflict],
) -> sqlx::Result<()> {
    let Some(columns) = Columns::of(conflicts.iter().map(|conflict| &conflict.arrived)) else {
        return Err(sqlx::Error::Encode("a sequence is beyond what a column holds".into()));
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

/// A whole row of the quarantine, and `status`.
fn kept(row: &PgRow) -> sqlx::Result<KeptConflict> {
    let settled_at: Option<OffsetDateTime> = row.try_get("settled_at")?;
    let note: Option<String> = row.try_get("settled_note")?;
    let settlement = match (settled_at, note) {
        (Some(at), Some(note)) => Some(Settlement { at: rows::timestamp(at)?, note }),
        _ => None,
    };
    let (arrived, held) = (rows::issuance(row)?, row.try_get("held")?);
    Ok(KeptConflict {
        id: row.try_get("id")?,
        conflict: Conflict { arrived, held, is_settled: settlement.is_some() },
        noticed_at: rows::timestamp(row.try_get("noticed_at")?)?,
        settlement,
    })
}

fn failed(error: sqlx::Error) -> QuarantineError {
    QuarantineError(cause(error))
}
