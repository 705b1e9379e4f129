//! The issuances in PostgreSQL.

use async_trait::async_trait;
use sqlx::PgConnection;

use super::classify::{Held, classify};
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

/// One statement that commits by itself. Its rows go in in one order, so that two persisters whose batches overlap wait
/// for one another but never in a circle.
const INSERT: &str = "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
    SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        AS arrived (coupon_id, sequence, member_id, code, status, issued_at)
    ORDER BY coupon_id COLLATE \"C\", sequence
    ON CONFLICT DO NOTHING";

/// Every row that shares a unique key with one of the batch: three joins, each along its own index.
const HELD: &str = "WITH arrived AS (
        SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[])
            AS arrived (coupon_id, sequence, member_id, code)
    )
    SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (coupon_id, sequence)
    UNION SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (coupon_id, member_id)
    UNION SELECT held.* FROM arrived JOIN coupon_issuances AS held USING (code)";

/// The rows that follow `$2` without a gap: as long as none is missing, a row's sequence grows with its place. At most
/// `$3` rows are read, so that a gap below a million rows costs no more than one below a thousand.
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

/// Keeps issuances in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(super) database: Database,
}

impl PostgresStore {
    /// The issuances in `database`.
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
        let columns = Columns::of(batch)
            .ok_or_else(|| StoreError::Rejected("a sequence is beyond what a column holds".to_owned()))?;
        let rows = batch.to_vec();
        let inserted =
            self.database.run(|connection| Box::pin(async move { insert(connection, &rows, columns).await }));
        INSERT_CALL.run(batch.len(), async { inserted.await.map_err(failed) }, StoreError::kind).await
    }

    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError> {
        let mut watermark = known;
        loop {
            let id = coupon.clone();
            let from = rows::integer(watermark);
            let reached: Option<i32> = self
                .database
                .run(move |connection| {
                    Box::pin(async move {
                        let query = sqlx::query_scalar(WATERMARK).bind(id.as_str()).bind(from);
                        query.bind(i64::from(WATERMARK_PAGE)).fetch_one(connection).await
                    })
                })
                .await
                .map_err(failed)?;
            let reached = rows::sequence(reached).map_err(failed)?.max(watermark);
            let page_was_full = reached - watermark == WATERMARK_PAGE;
            watermark = reached;
            if !page_was_full {
                return Ok(watermark);
            }
        }
    }

    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError> {
        let id = coupon.clone();
        let highest: Option<i32> = self
            .database
            .run(|connection| {
                Box::pin(
                    async move { sqlx::query_scalar(HIGHEST).bind(id.as_str()).fetch_one(connection).await },
                )
            })
            .await
            .map_err(failed)?;
        rows::sequence(highest).map_err(failed)
    }

    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError> {
        let id = coupon.clone();
        // What no column holds, no row has.
        let asked: Vec<i32> = sequences.iter().filter_map(|sequence| rows::integer(*sequence)).collect();
        let found = self
            .database
            .run(|connection| {
                Box::pin(async move {
                    sqlx::query(HOLDERS).bind(id.as_str()).bind(asked).fetch_all(connection).await
                })
            })
            .await
            .map_err(failed)?;
        found.iter().map(rows::holder).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError> {
        let id = coupon.clone();
        let found = self
            .database
            .run(move |connection| {
                Box::pin(async move {
                    let query = sqlx::query(LIST).bind(id.as_str()).bind(rows::integer(after));
                    query.bind(i64::from(limit)).fetch_all(connection).await
                })
            })
            .await
            .map_err(failed)?;
        found.iter().map(rows::issuance).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

/// Inserts what can be inserted. When rows were skipped, every one of the batch is compared with what is held now: the
/// conflict clause names no constraint, because each of three may be the one, and it does not say which it was.
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
    let mut classified = classify(batch, &Held::new(&held));
    if classified.vanished > 0 {
        // Somebody deleted rows between the two statements; the next try inserts them.
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
