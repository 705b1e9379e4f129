//! The issuances in PostgreSQL.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::classify::{RowsByKey, classify};
use super::database::Database;
use super::errors::{Fault, cause, fault, refusal};
use super::quarantine::quarantine;
use super::rows::{self, Columns};
use crate::domain::{CouponId, IssuedCoupon, MemberId, Sequence};
use crate::fault_injection::bugs;
use crate::ports::{InsertReport, IssuanceStore, StoreError};
use crate::telemetry::DatabaseCall;

const INSERT_CALL: DatabaseCall =
    DatabaseCall::on_table("postgresql", "INSERT coupon_issuances", "INSERT", "coupon_issuances");

/// One statement that commits by itself. It inserts in key order, so that two persisters with overlapping batches wait
/// for each other but never deadlock.
const INSERT: &str = "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
    SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        AS arrived (coupon_id, sequence, member_id, code, status, issued_at)
    ORDER BY coupon_id COLLATE \"C\", sequence
    ON CONFLICT DO NOTHING";

/// Rows that share a unique key with an issuance of the batch: three joins, each along its own index.
const HELD: &str = "WITH arrived AS (
        SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[])
            AS arrived (coupon_id, sequence, member_id, code)
    )
    SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (coupon_id, sequence)
    UNION SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (coupon_id, member_id)
    UNION SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (code)";

/// The last row that follows `$2` without a gap: before the first gap, `sequence = $2 + place`. The limit `$3` bounds
/// the cost when a million rows follow a gap.
const WATERMARK: &str = "WITH ahead AS (
        SELECT sequence, row_number() OVER (ORDER BY sequence) AS place
        FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $2
        ORDER BY sequence LIMIT $3
    )
    SELECT max(sequence) FROM ahead WHERE sequence = $2 + place";

const HIGHEST: &str = "SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = $1";

const HOLDERS: &str =
    "SELECT sequence, member_id FROM coupon_issuances WHERE coupon_id = $1 AND sequence = ANY($2)";

const LIST: &str =
    "SELECT * FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

/// Rows read at a time for the watermark.
const WATERMARK_PAGE: u32 = 10_000;

#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) database: Database,
}

impl PostgresStore {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl IssuanceStore for PostgresStore {
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
        if batch.is_empty() {
            return Ok(InsertReport::default());
        }
        let columns =
            Columns::of(batch).ok_or_else(|| StoreError::Rejected(rows::SEQUENCE_TOO_LARGE.to_owned()))?;
        let rows = batch.to_vec();
        let inserted =
            self.database.run(|connection| Box::pin(async move { insert(connection, &rows, columns).await }));
        INSERT_CALL.run(batch.len(), async { inserted.await.map_err(failed) }, StoreError::kind).await
    }

    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError> {
        let mut watermark = known;
        loop {
            let statement = sqlx::query(WATERMARK).bind(coupon.as_str()).bind(rows::integer(watermark));
            let statement = statement.bind(i64::from(WATERMARK_PAGE));
            let reached: Option<i32> = self.database.fetch_value(statement).await.map_err(failed)?;
            let reached = rows::sequence(reached).map_err(failed)?.max(watermark);
            let page_was_full = reached - watermark == WATERMARK_PAGE;
            watermark = reached;
            if !page_was_full {
                return Ok(watermark);
            }
        }
    }

    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError> {
        let statement = sqlx::query(HIGHEST).bind(coupon.as_str());
        let highest: Option<i32> = self.database.fetch_value(statement).await.map_err(failed)?;
        rows::sequence(highest).map_err(failed)
    }

    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError> {
        // No row has a sequence that the column cannot hold.
        let sequences: Vec<i32> = sequences.iter().filter_map(|sequence| rows::integer(*sequence)).collect();
        let statement = sqlx::query(HOLDERS).bind(coupon.as_str()).bind(sequences);
        let rows = self.database.fetch_all(statement).await.map_err(failed)?;
        rows.iter().map(rows::holder).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError> {
        let statement = sqlx::query(LIST).bind(coupon.as_str()).bind(rows::integer(after));
        let rows = self.database.fetch_all(statement.bind(i64::from(limit))).await.map_err(failed)?;
        rows.iter().map(rows::issuance).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Inserts the new rows of a batch. If some were skipped, compares the whole batch with the rows in the database: ON
/// CONFLICT must cover three constraints, so it reports neither the constraint nor the row.
async fn insert(
    connection: &mut PgConnection,
    batch: &[IssuedCoupon],
    columns: Columns,
) -> sqlx::Result<InsertReport> {
    let keys = columns.clone();
    let done = sqlx::query(INSERT)
        .bind(columns.coupon_ids)
        .bind(columns.sequences)
        .bind(columns.member_ids)
        .bind(columns.codes)
        .bind(columns.statuses)
        .bind(columns.issued_at)
        .execute(&mut *connection)
        .await?;
    let inserted = usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
    if inserted == batch.len() || bugs::is(bugs::CONFLICT_UNCLASSIFIED) {
        let same = batch.len() - inserted;
        return Ok(InsertReport { inserted, same, ..InsertReport::default() });
    }
    let found = sqlx::query(HELD)
        .bind(keys.coupon_ids)
        .bind(keys.sequences)
        .bind(keys.member_ids)
        .bind(keys.codes)
        .fetch_all(&mut *connection)
        .await?;
    let held = found.iter().map(rows::issuance).collect::<sqlx::Result<Vec<_>>>()?;
    let mut classified = classify(batch, &RowsByKey::new(&held));
    if classified.vanished > 0 {
        // Rows were deleted between the two statements; the next try inserts them.
        return Err(sqlx::Error::RowNotFound);
    }
    if !classified.conflicts.is_empty() {
        quarantine(connection, &mut classified.conflicts).await?;
    }
    let same = batch.len() - inserted - classified.conflicting;
    Ok(InsertReport { inserted, same, conflicts: classified.conflicts })
}

fn failed(error: sqlx::Error) -> StoreError {
    match fault(&error) {
        Fault::Values => StoreError::Rejected(refusal(&error)),
        Fault::Total => StoreError::AboveTotal(refusal(&error)),
        Fault::Database => StoreError::Unavailable(cause(error)),
    }
}
