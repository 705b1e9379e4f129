//! The issuances in PostgreSQL.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::classify::{RowsByKey, classify};
use super::database::Database;
use super::errors::{Fault, cause, fault, refusal};
use super::quarantine::quarantine;
use super::rows::{self, Columns};
use crate::domain::{CouponId, Grant, IssuedCoupon, MemberId, Sequence};
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

/// The stored watermark, the later one of it and `$2`, and the last row that follows this one without a gap. Of a page
/// without a gap only the rows are counted. Otherwise `sequence = base + place` before the first gap. The limit `$3`
/// bounds the cost when a million rows follow a gap.
const WATERMARK: &str = "WITH progress AS (
        SELECT COALESCE((SELECT sequence FROM coupon_watermarks WHERE coupon_id = $1), 0) AS stored
    ), start AS (
        SELECT stored, GREATEST(stored, $2) AS base FROM progress
    ), ahead AS (
        SELECT sequence, row_number() OVER (ORDER BY sequence) AS place
        FROM coupon_issuances WHERE coupon_id = $1 AND sequence > (SELECT base FROM start)
        ORDER BY sequence LIMIT $3
    )
    SELECT stored, base, CASE
        WHEN $3 = (SELECT count(*) FROM coupon_issuances WHERE coupon_id = $1
            AND sequence > (SELECT base FROM start) AND sequence <= (SELECT base FROM start) + $3)
        THEN base + $3
        ELSE (SELECT max(sequence) FROM ahead WHERE sequence = base + place)
    END AS reached FROM start";

const KEEP_WATERMARK: &str = "INSERT INTO coupon_watermarks (coupon_id, sequence) VALUES ($1, $2)
    ON CONFLICT (coupon_id) DO UPDATE SET sequence = EXCLUDED.sequence
    WHERE coupon_watermarks.sequence < EXCLUDED.sequence";

const RECOUNT: &str = "DELETE FROM coupon_watermarks WHERE coupon_id = $1";

const HIGHEST: &str = "SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = $1";

const HOLDERS: &str =
    "SELECT sequence, member_id FROM coupon_issuances WHERE coupon_id = $1 AND sequence = ANY($2)";

const LIST: &str =
    "SELECT * FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

const GRANTS: &str = "SELECT sequence, issued_at, member_id FROM coupon_issuances
    WHERE coupon_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";

/// Rows read at a time for the watermark at first; each full page doubles it, up to the largest one.
const WATERMARK_PAGE: u32 = 10_000;
const WATERMARK_LARGEST_PAGE: u32 = 160_000;
/// The stored watermark lags behind by fewer rows than this, so that it is not written with every batch.
const WATERMARK_LAG: u32 = 10_000;

#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) database: Database,
}

impl PostgresStore {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Stores the progress of the watermark. A failure costs only time: the rows are counted again.
    async fn keep_watermark(&self, coupon: &CouponId, watermark: Sequence) {
        let statement = sqlx::query(KEEP_WATERMARK).bind(coupon.as_str()).bind(rows::integer(watermark));
        if let Err(error) = self.database.execute(statement).await {
            tracing::debug!(%coupon, watermark, %error, "the watermark was not stored; its rows are counted again");
        }
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
        let (mut watermark, mut limit) = (known, WATERMARK_PAGE);
        loop {
            let statement = sqlx::query(WATERMARK).bind(coupon.as_str()).bind(rows::integer(watermark));
            let row = self.database.fetch_one(statement.bind(rows::integer(limit))).await.map_err(failed)?;
            let (stored, base, reached) = watermark_page(&row).map_err(failed)?;
            if reached - stored >= WATERMARK_LAG {
                self.keep_watermark(coupon, reached).await;
            }
            if reached - base < limit {
                return Ok(reached);
            }
            (watermark, limit) = (reached, (limit * 2).min(WATERMARK_LARGEST_PAGE));
        }
    }

    async fn recount(&self, coupon: &CouponId) -> Result<(), StoreError> {
        let statement = sqlx::query(RECOUNT).bind(coupon.as_str());
        self.database.execute(statement).await.map(drop).map_err(failed)
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

    async fn grants(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<(MemberId, Grant)>, StoreError> {
        let statement = sqlx::query(GRANTS).bind(coupon.as_str()).bind(rows::integer(after));
        let rows = self.database.fetch_all(statement.bind(i64::from(limit))).await.map_err(failed)?;
        rows.iter().map(rows::member_grant).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// The stored watermark, the sequence at which the page begins, and the one that it reaches.
fn watermark_page(row: &PgRow) -> sqlx::Result<(Sequence, Sequence, Sequence)> {
    let sequence = |column: &str| rows::sequence(row.try_get(column)?);
    let base = sequence("base")?;
    Ok((sequence("stored")?, base, sequence("reached")?.max(base)))
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
