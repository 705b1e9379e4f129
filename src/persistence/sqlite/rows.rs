//! Converts rows to domain values. Data that openrun never writes is a decoding error.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::{
    CodeSalt, Coupon, CouponId, Grant, Inventory, IssuanceStatus, IssueCode, IssuedCoupon, Lifecycle,
    MemberId, SalePeriod, Sequence, Terms, Timestamp,
};

/// Reads all columns of `coupons`.
pub(super) fn coupon(row: &SqliteRow) -> Result<Coupon, sqlx::Error> {
    let inventory = Inventory::with_issued(number(row, "total")?, number(row, "issued")?).map_err(corrupt)?;
    let window = SalePeriod::new(moment(row, "opens_at_ms")?, optional_moment(row, "closes_at_ms")?)
        .map_err(corrupt)?;
    let terms = Terms::new(row.try_get("name")?, row.try_get("description")?, row.try_get("discount")?);
    let lifecycle: &str = row.try_get("lifecycle")?;
    let salt: [u8; 32] = row.try_get::<&[u8], _>("salt")?.try_into().map_err(corrupt)?;
    Ok(Coupon {
        id: CouponId::parse(row.try_get("id")?).map_err(corrupt)?,
        terms: terms.map_err(corrupt)?,
        inventory,
        window,
        valid_until: optional_moment(row, "valid_until_ms")?,
        lifecycle: Lifecycle::parse(lifecycle).ok_or_else(|| corrupt(format!("lifecycle {lifecycle}")))?,
        salt: CodeSalt::from_bytes(salt),
        created_at: moment(row, "created_at_ms")?,
    })
}

/// Reads all columns of `coupon_issuances`.
pub(super) fn issuance(row: &SqliteRow) -> Result<IssuedCoupon, sqlx::Error> {
    let (code, status): (&str, &str) = (row.try_get("code")?, row.try_get("status")?);
    Ok(IssuedCoupon {
        coupon_id: coupon_id(row)?,
        member_id: member(row)?,
        sequence: number(row, "sequence")?,
        code: IssueCode::parse(code).ok_or_else(|| corrupt("a malformed code"))?,
        status: IssuanceStatus::parse(status).ok_or_else(|| corrupt(format!("status {status}")))?,
        issued_at: moment(row, "issued_at_ms")?,
    })
}

/// Reads the columns `sequence` and `issued_at_ms`.
pub(super) fn grant(row: &SqliteRow) -> Result<Grant, sqlx::Error> {
    Ok(Grant { sequence: number(row, "sequence")?, issued_at: moment(row, "issued_at_ms")? })
}

/// Reads the columns `sequence` and `member_id`.
pub(super) fn holder(row: &SqliteRow) -> Result<(Sequence, MemberId), sqlx::Error> {
    Ok((number(row, "sequence")?, member(row)?))
}

pub(super) fn coupon_id(row: &SqliteRow) -> Result<CouponId, sqlx::Error> {
    CouponId::parse(row.try_get("coupon_id")?).map_err(corrupt)
}

pub(super) fn member(row: &SqliteRow) -> Result<MemberId, sqlx::Error> {
    MemberId::parse(row.try_get("member_id")?).map_err(corrupt)
}

/// Whether `column` is NULL, as after an outer join without a match.
pub(super) fn is_null(row: &SqliteRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.is_none())
}

pub(super) fn number(row: &SqliteRow, column: &str) -> Result<Sequence, sqlx::Error> {
    Sequence::try_from(row.try_get::<i64, _>(column)?).map_err(corrupt)
}

/// A decoding error, which `failure.rs` distinguishes from a database that does not answer.
pub(super) fn corrupt(cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> sqlx::Error {
    sqlx::Error::Decode(cause.into())
}

pub(super) fn moment(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_ms(row.try_get(column)?))
}

pub(super) fn optional_moment(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_ms))
}
