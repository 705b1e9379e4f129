//! The store of issuances. The embedded engine writes its own; the store reads them for verification and inserts
//! issuances of another database.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::database::SqliteDatabase;
use super::failure::store_error;
use super::quarantine::quarantine;
use super::rows;
use crate::domain::{CouponId, IssuedCoupon, MemberId, Sequence, Timestamp};
use crate::ports::{Conflict, InsertReport, IssuanceStore, StoreError};

#[derive(Debug, Clone)]
pub struct SqliteIssuanceStore {
    pub(super) database: SqliteDatabase,
}

impl SqliteIssuanceStore {
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }

    async fn sequence(
        &self,
        sql: &'static str,
        id: &CouponId,
        known: Sequence,
    ) -> Result<Sequence, StoreError> {
        let query = sqlx::query(sql).bind(id.as_str()).bind(known);
        let row = query.fetch_one(self.database.readers()).await.map_err(store_error)?;
        rows::number(&row, "sequence").map_err(store_error)
    }
}

#[async_trait]
impl IssuanceStore for SqliteIssuanceStore {
    async fn insert(&self, batch: &[IssuedCoupon]) -> Result<InsertReport, StoreError> {
        let (batch, now) = (batch.to_vec(), self.database.clock().now());
        self.database
            .write(move |c| Box::pin(async move { insert(c, &batch, now).await }))
            .await
            .map_err(store_error)
    }

    async fn watermark(&self, coupon: &CouponId, known: Sequence) -> Result<Sequence, StoreError> {
        // The last sequence before the first gap above `known`: there the sequence still equals its place.
        let sql = "WITH numbered AS (
                SELECT sequence, $2 + row_number() OVER (ORDER BY sequence) AS place
                FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $2)
            SELECT coalesce(max(sequence), $2) AS sequence FROM numbered WHERE sequence = place";
        self.sequence(sql, coupon, known).await
    }

    async fn highest(&self, coupon: &CouponId) -> Result<Sequence, StoreError> {
        let sql = "SELECT coalesce(max(sequence), $2) AS sequence FROM coupon_issuances WHERE coupon_id = $1";
        self.sequence(sql, coupon, 0).await
    }

    async fn holders(
        &self,
        coupon: &CouponId,
        sequences: &[Sequence],
    ) -> Result<Vec<(Sequence, MemberId)>, StoreError> {
        let sql = "SELECT sequence, member_id FROM coupon_issuances
            WHERE coupon_id = $1 AND sequence IN (SELECT value FROM json_each($2))";
        let json = serde_json::to_string(sequences).map_err(rows::corrupt).map_err(store_error)?;
        let query = sqlx::query(sql).bind(coupon.as_str()).bind(json);
        let found = query.fetch_all(self.database.readers()).await.map_err(store_error)?;
        found.iter().map(rows::holder).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn list(
        &self,
        coupon: &CouponId,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<IssuedCoupon>, StoreError> {
        let sql = "SELECT * FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $2
            ORDER BY sequence LIMIT $3";
        let query = sqlx::query(sql).bind(coupon.as_str()).bind(after).bind(limit);
        let found = query.fetch_all(self.database.readers()).await.map_err(store_error)?;
        found.iter().map(rows::issuance).collect::<Result<_, _>>().map_err(store_error)
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    batch: &[IssuedCoupon],
    now: Timestamp,
) -> Result<InsertReport, sqlx::Error> {
    let json = as_json(batch)?;
    let inserted = insert_new(connection, &json).await?;
    count_issued(connection, &json).await?;
    let mut conflicts = conflicts(connection, &json, batch).await?;
    for conflict in &mut conflicts {
        quarantine(connection, conflict, now).await?;
    }
    let same = batch.len() - inserted - conflicts.len();
    Ok(InsertReport { inserted, same, conflicts })
}

fn as_json(batch: &[IssuedCoupon]) -> Result<String, sqlx::Error> {
    let rows: Vec<_> = batch
        .iter()
        .map(|row| {
            (
                row.coupon_id.as_str(),
                row.sequence,
                row.member_id.as_str(),
                row.code.as_str(),
                row.status.as_str(),
                row.issued_at.as_ms(),
            )
        })
        .collect();
    serde_json::to_string(&rows).map_err(rows::corrupt)
}

async fn insert_new(connection: &mut SqliteConnection, json: &str) -> Result<usize, sqlx::Error> {
    // WHERE true keeps SQLite from parsing ON as part of a join. `conflicts` classifies the skipped rows.
    let sql = "INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at_ms)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each($1)
        WHERE true ON CONFLICT DO NOTHING";
    let done = sqlx::query(sql).bind(json).execute(connection).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Raises each coupon's count to its highest sequence, so that the engine continues above it.
async fn count_issued(connection: &mut SqliteConnection, json: &str) -> Result<(), sqlx::Error> {
    let sql = "UPDATE coupons SET issued = held.highest
        FROM (SELECT h.coupon_id, max(h.sequence) AS highest FROM json_each($1) AS arrived
              CROSS JOIN coupon_issuances AS h ON h.coupon_id = value ->> 0 AND h.sequence = value ->> 1
              GROUP BY h.coupon_id) AS held
        WHERE coupons.id = held.coupon_id AND coupons.issued < held.highest";
    sqlx::query(sql).bind(json).execute(connection).await?;
    Ok(())
}

async fn conflicts(
    connection: &mut SqliteConnection,
    json: &str,
    batch: &[IssuedCoupon],
) -> Result<Vec<Conflict>, sqlx::Error> {
    // For each arrived issuance that is not stored unchanged: the rows that share its sequence, member or code.
    let sql = "SELECT arrived.key AS place,
            group_concat('sequence ' || h.sequence || ' for member ' || h.member_id || ' with code ' || h.code
                || ', ' || h.status || ', issued at ' || h.issued_at_ms || ' ms', '; ') AS held
        FROM json_each($1) AS arrived
        JOIN coupon_issuances AS h ON h.code = value ->> 3
            OR h.coupon_id = value ->> 0 AND h.sequence = value ->> 1
            OR h.coupon_id = value ->> 0 AND h.member_id = value ->> 2
        WHERE NOT EXISTS (SELECT 1 FROM coupon_issuances AS s
            WHERE s.coupon_id = value ->> 0 AND s.sequence = value ->> 1 AND s.member_id = value ->> 2
                AND s.code = value ->> 3 AND s.status = value ->> 4 AND s.issued_at_ms = value ->> 5)
        GROUP BY arrived.key ORDER BY arrived.key";
    let found = sqlx::query(sql).bind(json).fetch_all(connection).await?;
    found
        .iter()
        .map(|row| {
            let place = usize::try_from(row.try_get::<i64, _>("place")?).map_err(rows::corrupt)?;
            let arrived =
                batch.get(place).ok_or_else(|| rows::corrupt("an index outside the batch"))?.clone();
            Ok(Conflict { arrived, held: row.try_get("held")?, is_settled: false })
        })
        .collect()
}
