//! The lost numbers in PostgreSQL.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::database::Database;
use super::errors::cause;
use super::rows::{self, Columns, integer};
use crate::domain::{CouponId, IssuedCoupon, Note, Sequence, Timestamp};
use crate::ports::{Loss, LossError, LostNumbers, OpenRecovery, Permission};

/// The losses of open recoveries: of one coupon, or of all if `$1` is `NULL`.
const OPEN: &str = "SELECT lost.coupon_id, count, first, last, noticed_at, count <= permitted AS permitted
    FROM lost_numbers AS lost
    JOIN coupon_recoveries AS open ON open.coupon_id = lost.coupon_id AND open.round = lost.round AND open.is_open
    WHERE $1::text IS NULL OR lost.coupon_id = $1
    ORDER BY lost.coupon_id LIMIT $2";

/// Counts rows above the watermark only, because none is missing below it.
const RECORD: &str = "WITH held AS (
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

/// One statement, so that every row written off has its entry in `issuance_write_offs`.
const WRITE_OFF: &str = "WITH written AS (
        INSERT INTO coupon_issuances (coupon_id, sequence, member_id, code, status, issued_at)
        SELECT * FROM UNNEST($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
        ON CONFLICT DO NOTHING
        RETURNING coupon_id, sequence
    )
    INSERT INTO issuance_write_offs (coupon_id, sequence, note)
    SELECT coupon_id, sequence, COALESCE(note, '') FROM written LEFT JOIN lost_numbers USING (coupon_id)";

const WRITTEN_OFF: &str = "SELECT count(*) FROM issuance_write_offs WHERE coupon_id = $1";

#[derive(Debug, Clone)]
pub struct PostgresLostNumbers {
    database: Database,
}

impl PostgresLostNumbers {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The open losses of `coupon`, or of all coupons if `None`; at most `limit`.
    async fn open_losses(&self, coupon: Option<&CouponId>, limit: u32) -> Result<Vec<Loss>, LossError> {
        let statement = sqlx::query(OPEN).bind(coupon.map(CouponId::as_str)).bind(i64::from(limit));
        let rows = self.database.fetch_all(statement).await.map_err(failed)?;
        rows.iter().map(loss).collect::<sqlx::Result<_>>().map_err(failed)
    }
}

#[async_trait]
impl LostNumbers for PostgresLostNumbers {
    async fn list(&self, limit: u32) -> Result<Vec<Loss>, LossError> {
        self.open_losses(None, limit).await
    }

    async fn record(
        &self,
        open: &OpenRecovery,
        watermark: Sequence,
        last: Sequence,
    ) -> Result<Option<Loss>, LossError> {
        let statement = sqlx::query(RECORD).bind(open.coupon.as_str()).bind(integer(open.round.0));
        let statement = statement.bind(integer(watermark)).bind(integer(last));
        let row = self.database.fetch_optional(statement).await.map_err(failed)?;
        row.as_ref().map(loss).transpose().map_err(failed)
    }

    async fn permit(&self, coupon: &CouponId, count: u32, note: &Note) -> Result<Permission, LossError> {
        let statement = sqlx::query(PERMIT).bind(coupon.as_str()).bind(integer(count)).bind(note.as_str());
        self.database.execute(statement).await.map_err(failed)?;
        Ok(match self.open_losses(Some(coupon), 1).await?.pop() {
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
        let statement = sqlx::query(MISSING).bind(coupon.as_str()).bind(integer(after)).bind(integer(last));
        let rows = self.database.fetch_all(statement.bind(i64::from(limit))).await.map_err(failed)?;
        let missing = |row: &PgRow| {
            let number = rows::sequence(Some(row.try_get("number")?))?;
            Ok((number, rows::timestamp(row.try_get("not_before")?)?))
        };
        rows.iter().map(missing).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn write_off(&self, rows: &[IssuedCoupon]) -> Result<u32, LossError> {
        let columns = Columns::of(rows).ok_or_else(|| LossError(rows::SEQUENCE_TOO_LARGE.into()))?;
        let statement = sqlx::query(WRITE_OFF)
            .bind(columns.coupon_ids)
            .bind(columns.sequences)
            .bind(columns.member_ids)
            .bind(columns.codes)
            .bind(columns.statuses)
            .bind(columns.issued_at);
        let written = self.database.execute(statement).await.map_err(failed)?;
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    async fn count_written_off(&self, coupon: &CouponId) -> Result<u32, LossError> {
        let statement = sqlx::query(WRITTEN_OFF).bind(coupon.as_str());
        let count: i64 = self.database.fetch_value(statement).await.map_err(failed)?;
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
