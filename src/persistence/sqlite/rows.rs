//! How rows become values of the domain. What no value can be made of is a decoding error: foreign data.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::{
    CodeSalt, Coupon, CouponId, Grant, Inventory, IssuanceStatus, IssueCode, IssuedCoupon, Lifecycle,
    MemberId, SalePeriod, Sequence, Terms, Timestamp,
};

/// A whole row of `coupons`.
pub(super) fn coupon(row: &SqliteRow) -> Result<Coupon, sqlx::Error> {
    let inventory =
        Inventory::with_issued(number(row, "total")?, number(row, "issued")?).map_err(nonsense)?;
    let window = SalePeriod::new(moment(row, "opens_at_ms")?, optional_moment(row, "closes_at_ms")?)
        .map_err(nonsense)?;
    let terms = Terms::new(row.try_get("name")?, row.try_get("description")?, row.try_get("discount")?);
    let lifecycle: &str = row.try_get("lifecycle")?;
    let salt: [u8; 32] = row.try_get::<&[u8], _>("salt")?.try_into().map_err(nonsense)?;
    Ok(Coupon {
        id: CouponId::parse(row.try_get("id")?).map_err(nonsense)?,
        terms: terms.map_err(nonsense)?,
        inventory,
        window,
        valid_until: optional_moment(row, "valid_until_ms")?,
        lifecycle: Lifecycle::parse(lifecycle).ok_or_else(|| nonsense(format!("lifecycle {lifecycle}")))?,
        salt: CodeSalt::from_bytes(salt),
        created_at: moment(row, "created_at_ms")?,
    })
}

/// A whole row of `coupon_issuances`.
pub(super) fn issuance(row: &SqliteRow) -> Result<IssuedCoupon, sqlx::Error> {
    let (code, status): (&str, &str) = (row.try_get("code")?, row.try_get("status")?);
    Ok(IssuedCoupon {
        coupon_id: coupon_id(row)?,
        member_id: member(row)?,
        sequence: number(row, "sequence")?,
        code: IssueCode::parse(code).ok_or_else(|| nonsense("a code that is none"))?,
        status: IssuanceStatus::parse(status).ok_or_else(|| nonsense(format!("status {status}")))?,
        issued_at: moment(row, "issued_at_ms")?,
    })
}

/// The columns `sequence` and `issued_at_ms`.
pub(super) fn grant(row: &SqliteRow) -> Result<Grant, sqlx::Error> {
    Ok(Grant { sequence: number(row, "sequence")?, issued_at: moment(row, "issued_at_ms")? })
}

/// Who holds a sequence, of the columns `sequence` and `member_id`.
pub(super) fn holder(row: &SqliteRow) -> Result<(Sequence, MemberId), sqlx::Error> {
    Ok((number(row, "sequence")?, member(row)?))
}

/// The column `coupon_id`.
pub(super) fn coupon_id(row: &SqliteRow) -> Result<CouponId, sqlx::Error> {
    CouponId::parse(row.try_get("coupon_id")?).map_err(nonsense)
}

/// The column `member_id`.
pub(super) fn member(row: &SqliteRow) -> Result<MemberId, sqlx::Error> {
    MemberId::parse(row.try_get("member_id")?).map_err(nonsense)
}

/// Whether `column` is empty, as it is where an outer join found nothing.
pub(super) fn is_null(row: &SqliteRow, column: &str) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.is_none())
}

/// A column that counts something.
pub(super) fn number(row: &SqliteRow, column: &str) -> Result<Sequence, sqlx::Error> {
    Sequence::try_from(row.try_get::<i64, _>(column)?).map_err(nonsense)
}

/// The one word by which foreign data is told from a database that does not answer.
pub(super) fn nonsense(cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> sqlx::Error {
    sqlx::Error::Decode(cause.into())
}

/// A column that is a moment.
pub(super) fn moment(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_ms(row.try_get(column)?))
}

/// The same, where there may be none.
pub(super) fn optional_moment(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_ms))
}
