//! The account of lost numbers in PostgreSQL.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::database::Database;
use super::errors::cause;
use super::rows::{self, Columns};
use crate::domain::{CouponId, IssuedCoupon, Note, Sequence, Timestamp};
use crate::ports::{Loss, LossError, LostNumbers, OpenRecovery, Permission};

/// The account of one coupon, or of all where `$1` is `NULL`, as far as its recovery is under way.
const OPEN: &str = "SELECT lost.coupon_id, count, first, last, noticed_at, count <= permitted AS permitted
    FROM lost_numbers AS lost
    JOIN coupon_recoveries AS open ON open.coupon_id = lost.coupon_id AND open.round = lost.round AND open.is_open
    WHERE $1::text IS NULL OR lost.coupon_id = $1
    ORDER BY lost.coupon_id LIMIT $2";

/// Rows are counted above the watermark only: below it none is missing.
const NOTE: &str = "WITH held AS (
        SELECT count(*) AS rows FROM coupon_issuances WHERE coupon_id = $1 AND sequence > $3 AND sequence <= $4
    )
    INSERT INTO lost_numbers AS lost (coupon_id, round, count, first, last)
    SELECT $1, $2, $4 - $3 - rows, $3 + 1, $4 FROM held WHERE $4 - $3 - rows > 0
    ON CONFLICT (coupon_id) DO UPDATE SET
        round = EXCLUDED.round, count = EXCLUDED.count, first = EXCLUDED.first, last = EXCLUDED.last,
        permitted = CASE WHEN lost.round = EXCLUDED.round THEN lost.permitted ELSE 0 END,
        noticed_at = CASE WHEN lost.round = EXCLUDED.round THEN lost.noticed_at ELSE now() END
    RETURNING coupon_id, count, first, last, noticed_at, count <= permitted AS permitted";

const PERMIT: &str = "UPDATE lost_numbers AS lost SET permitted = count, note = $3
    FROM coupon_recoveries AS open
    WHERE lost.coupon_id = $1 AND lost.count = $2
        AND open.coupon_id = lost.coupon_id AND open.round = lost.round AND open.is_open";

const MISSING: &str = "SELECT number, COALESCE(
        (SELECT issued_at FROM coupon_issuances WHERE coupon_id = $1 AND sequence < number
            ORDER BY sequence DESC LIMIT 1),
        (SELECT opens_at FROM coupons WHERE id = $1)) AS not_before
    FROM generate_series($2 + 1, $3) AS number
    WHERE NOT EXISTS (SELECT FROM coupon_issuances WHERE coupon_id = $1 AND sequence = number)
    ORDER BY number LIMIT $4";

/// One statement, so that no such row is without its account.
const WRITE_OFF: &str = "WITH written AS (
        INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
        SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        ON CONFLICT DO NOTHING
        RETURNING coupon_id, sequence
    )
    INSERT INTO issuance_write_offs (coupon_id, sequence, note)
    SELECT coupon_id, sequence, COALESCE(note, '') FROM written LEFT JOIN lost_numbers USING (coupon_id)";

const WRITTEN_OFF: &str = "SELECT count(*) FROM issuance_write_offs WHERE coupon_id = $1";

/// The lost numbers of the coupons in one database.
#[derive(Debug, Clone)]
pub struct PostgresLostNumbers {
    database: Database,
}

impl PostgresLostNumbers {
    /// Those in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// What is lost of `coupon`, or of all, at most `limit`.
    async fn open(&self, coupon: Option<&CouponId>, limit: u32) -> Result<Vec<Loss>, LossError> {
        let id = coupon.map(ToString::to_string);
        let work = self.database.run(move |connection| {
            Box::pin(
                async move { sqlx::query(OPEN).bind(id).bind(i64::from(limit)).fetch_all(connection).await },
            )
        });
        let found = work.await.map_err(failed)?;
        found.iter().map(loss).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

#[async_trait]
impl LostNumbers for PostgresLostNumbers {
    async fn list(&self, limit: u32) -> Result<Vec<Loss>, LossError> {
        self.open(None, limit).await
    }

    async fn record(
        &self,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<Option<Loss>, LossError> {
        let (id, round) = (open.coupon.to_string(), rows::integer(open.round.0));
        let (watermark, last) = (rows::integer(watermark), rows::integer(last));
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(NOTE).bind(id).bind(round).bind(watermark).bind(last);
                query.fetch_optional(connection).await
            })
        });
        work.await.map_err(failed)?.as_ref().map(loss).transpose().map_err(failed)
    }

    async fn permit(&self, coupon: &CouponId, count: u32, note: &Note) -> Result<Permission, LossError> {
        let (id, number, note) = (coupon.to_string(), rows::integer(count), note.as_str().to_owned());
        let work = self.database.run(move |connection| {
            Box::pin(
                async move { sqlx::query(PERMIT).bind(id).bind(number).bind(note).execute(connection).await },
            )
        });
        work.await.map_err(failed)?;
        Ok(match self.open(Some(coupon), 1).await?.pop() {
            Some(loss) if loss.permitted && loss.count == count => Permission::Given(loss),
            Some(loss) => Permission::OtherCount(loss),
            None => Permission::NothingLost,
        })
    }

    async fn missing(
        &self,
        coupon: &CouponId,
        after: Sequence,
        last: Sequence,
        limit: u32,
    ) -> Result<Vec<(Sequence, Timestamp)>, LossError> {
        let (id, after, last) = (coupon.to_string(), rows::integer(after), rows::integer(last));
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                let query = sqlx::query(MISSING).bind(id).bind(after).bind(last);
                query.bind(i64::from(limit)).fetch_all(connection).await
            })
        });
        let found = work.await.map_err(failed)?;
        let missing = |row: &PgRow| {
            let number = rows::sequence(Some(row.try_get("number")?))?;
            Ok((number, rows::timestamp(row.try_get("not_before")?)?))
        };
        found.iter().map(missing).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn write_off(&self, rows: &[IssuedCoupon]) -> Result<u32, LossError> {
        let columns =
            Columns::of(rows).ok_or_else(|| LossError("a sequence is beyond what a column holds".into()))?;
        let work = self.database.run(move |connection| {
            Box::pin(async move {
                sqlx::query(WRITE_OFF)
                    .bind(columns.coupon_ids)
                    .bind(columns.sequences)
                    .bind(columns.member_ids)
                    .bind(columns.codes)
                    .bind(columns.statuses)
                    .bind(columns.issued_at)
                    .execute(connection)
                    .await
            })
        });
        let written = work.await.map_err(failed)?.rows_affected();
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    async fn count_written_off(&self, coupon: &CouponId) -> Result<u32, LossError> {
        let id = coupon.to_string();
        let work = self.database.run(|connection| {
            Box::pin(async move { sqlx::query_scalar(WRITTEN_OFF).bind(id).fetch_one(connection).await })
        });
        let count: i64 = work.await.map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

fn loss(row: &PgRow) -> sqlx::Result<Loss> {
    let number = |column: &str| rows::sequence(Some(row.try_get(column)?));
    Ok(Loss {
        coupon: CouponId::parse(row.try_get("coupon_id")?)
            .map_err(|error| sqlx::Error::Decode(error.into()))?,
        count: number("count")?,
        first: number("first")?,
        last: number("last")?,
        noticed_at: rows::timestamp(row.try_get("noticed_at")?)?,
        permitted: row.try_get("permitted")?,
    })
}

fn failed(error: sqlx::Error) -> LossError {
    LossError(cause(error))
}
