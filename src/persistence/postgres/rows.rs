//! Converts domain values to PostgreSQL's columns and back.

use sqlx::Row;
use sqlx::postgres::PgRow;
use time::{Duration, OffsetDateTime};

use crate::domain::{
    CodeSalt, Coupon, CouponId, Grant, Inventory, IssuanceStatus, IssueCode, IssuedCoupon, Lifecycle,
    MemberId, SalePeriod, Sequence, Terms, Timestamp,
};

/// Shown when a sequence does not fit into an `integer` column.
pub(super) const SEQUENCE_TOO_LARGE: &str = "a sequence is too large for its column";

/// A `timestamptz` has microseconds, so it holds milliseconds exactly.
pub(super) fn moment(timestamp: Timestamp) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(timestamp.as_ms())
}

/// Cuts off microseconds, which openrun never writes.
pub(super) fn timestamp(moment: OffsetDateTime) -> sqlx::Result<Timestamp> {
    let ms = moment.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(ms).map(Timestamp::from_ms).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// `None` if a sequence is too large for an `integer` column.
pub(super) fn integer(sequence: Sequence) -> Option<i32> {
    i32::try_from(sequence).ok()
}

/// Reads `NULL` as 0, which stands for no sequence.
pub(super) fn sequence(stored: Option<i32>) -> sqlx::Result<Sequence> {
    u32::try_from(stored.unwrap_or(0)).map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) fn corrupt(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} has a value that openrun never writes").into())
}

/// Reads the columns `coupon_id, sequence, member_id, code, status, issued_at`.
pub(super) fn issuance(row: &PgRow) -> sqlx::Result<IssuedCoupon> {
    Ok(IssuedCoupon {
        coupon_id: CouponId::parse(row.try_get("coupon_id")?).map_err(|_| corrupt("coupon_id"))?,
        member_id: MemberId::parse(row.try_get("member_id")?).map_err(|_| corrupt("member_id"))?,
        sequence: sequence(Some(row.try_get("sequence")?))?,
        code: IssueCode::parse(row.try_get("code")?).ok_or_else(|| corrupt("code"))?,
        status: IssuanceStatus::parse(row.try_get("status")?).ok_or_else(|| corrupt("status"))?,
        issued_at: timestamp(row.try_get("issued_at")?)?,
    })
}

/// Reads the columns `sequence, member_id`.
pub(super) fn holder(row: &PgRow) -> sqlx::Result<(Sequence, MemberId)> {
    let member = MemberId::parse(row.try_get("member_id")?).map_err(|_| corrupt("member_id"))?;
    Ok((sequence(Some(row.try_get("sequence")?))?, member))
}

/// Reads the columns `sequence, issued_at`.
pub(super) fn grant(row: &PgRow) -> sqlx::Result<Grant> {
    let issued_at = timestamp(row.try_get("issued_at")?)?;
    Ok(Grant { sequence: sequence(Some(row.try_get("sequence")?))?, issued_at })
}

/// Reads all columns of `coupons`, and `issued`.
pub(super) fn coupon(row: &PgRow) -> sqlx::Result<Coupon> {
    let optional = |column: &str| -> sqlx::Result<Option<Timestamp>> {
        row.try_get::<Option<OffsetDateTime>, _>(column)?.map(timestamp).transpose()
    };
    let salt: [u8; 32] = row.try_get::<&[u8], _>("salt")?.try_into().map_err(|_| corrupt("salt"))?;
    let total = sequence(Some(row.try_get("total")?))?;
    // Only with the triggers disabled can a row be written above the total. `verify` reports it; the coupon stays
    // readable.
    let issued = sequence(row.try_get("issued")?)?.min(total);
    let opens_at = timestamp(row.try_get("opens_at")?)?;
    let terms = Terms::new(row.try_get("name")?, row.try_get("description")?, row.try_get("discount")?);
    Ok(Coupon {
        id: CouponId::parse(row.try_get("id")?).map_err(|_| corrupt("id"))?,
        terms: terms.map_err(|_| corrupt("name, description or discount"))?,
        inventory: Inventory::with_issued(total, issued).map_err(|_| corrupt("total"))?,
        window: SalePeriod::new(opens_at, optional("closes_at")?).map_err(|_| corrupt("closes_at"))?,
        valid_until: optional("valid_until")?,
        lifecycle: Lifecycle::parse(row.try_get("lifecycle")?).ok_or_else(|| corrupt("lifecycle"))?,
        salt: CodeSalt::from_bytes(salt),
        created_at: timestamp(row.try_get("created_at")?)?,
    })
}

/// A batch as one array per column, for `UNNEST`.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    pub(super) coupon_ids: Vec<String>,
    pub(super) sequences: Vec<i32>,
    pub(super) member_ids: Vec<String>,
    pub(super) codes: Vec<String>,
    pub(super) statuses: Vec<String>,
    pub(super) issued_at: Vec<OffsetDateTime>,
}

impl Columns {
    /// `None` if a sequence is too large for its column.
    pub(super) fn of<'a>(batch: impl IntoIterator<Item = &'a IssuedCoupon>) -> Option<Self> {
        let mut columns = Self::default();
        for issuance in batch {
            columns.coupon_ids.push(issuance.coupon_id.as_str().to_owned());
            columns.sequences.push(integer(issuance.sequence)?);
            columns.member_ids.push(issuance.member_id.as_str().to_owned());
            columns.codes.push(issuance.code.as_str().to_owned());
            columns.statuses.push(issuance.status.as_str().to_owned());
            columns.issued_at.push(moment(issuance.issued_at));
        }
        Some(columns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Timestamp, moment, timestamp};

    proptest! {
        #[test]
        fn milliseconds_survive_a_round_trip(ms in 0..=253_402_300_799_999i64) {
            prop_assert_eq!(timestamp(moment(Timestamp::from_ms(ms))).unwrap().as_ms(), ms);
        }
    }
}
