//! The read-only operations of the engines in PostgreSQL, one statement each.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{counter, failed};
use crate::domain::{CouponId, Grant, MemberId, Standing};
use crate::persistence::postgres::database::Database;
use crate::persistence::postgres::rows;
use crate::ports::{EngineError, HoldersPage};

const HOLDERS_PAGE: u32 = 1_000;

/// The outer join distinguishes an unknown coupon (no row) from a member without an issuance (a row of NULLs).
const FIND: &str = "SELECT held.sequence, held.issued_at FROM coupon_admissions AS a
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.member_id = $2
    WHERE a.coupon_id = $1";

const HOLDERS: &str = "SELECT held.sequence, held.member_id, held.issued_at FROM coupon_admissions AS a
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.sequence > $2
    WHERE a.coupon_id = $1 ORDER BY held.sequence LIMIT $3";

const REVISION: &str = "SELECT revision FROM engine_revision";

pub(super) async fn find(
    database: &Database,
    coupon: &CouponId,
    member: &MemberId,
) -> Result<Option<Grant>, EngineError> {
    let statement = sqlx::query(FIND).bind(coupon.as_str()).bind(member.as_str());
    let row = database.fetch_optional(statement).await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?;
    if is_unmatched(&row).map_err(failed)? {
        return Ok(None);
    }
    rows::grant(&row).map(Some).map_err(failed)
}

pub(super) async fn standing(database: &Database, coupon: &CouponId) -> Result<Standing, EngineError> {
    let id = coupon.clone();
    let counter = database.run(|c| Box::pin(async move { counter::read(c, &id, &[]).await })).await;
    Ok(counter.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?.standing)
}

/// The cursor is the last sequence of the previous page.
pub(super) async fn holders(
    database: &Database,
    coupon: &CouponId,
    cursor: u64,
) -> Result<HoldersPage, EngineError> {
    // A cursor beyond the range of the column is above every sequence, and so is the largest one.
    let after = i32::try_from(cursor).unwrap_or(i32::MAX);
    let statement = sqlx::query(HOLDERS).bind(coupon.as_str()).bind(after).bind(i64::from(HOLDERS_PAGE));
    let rows = database.fetch_all(statement).await.map_err(failed)?;
    if rows.is_empty() {
        return Err(EngineError::UnknownCoupon);
    }
    page(&rows).map_err(failed)
}

fn page(found: &[PgRow]) -> sqlx::Result<HoldersPage> {
    let Some(last) = found.last() else { return Ok(HoldersPage::default()) };
    if is_unmatched(last)? {
        return Ok(HoldersPage::default());
    }
    let holder = |row: &PgRow| Ok::<_, sqlx::Error>((rows::holder(row)?.1, rows::grant(row)?));
    let holders = found.iter().map(holder).collect::<Result<_, _>>()?;
    let full = found.len() == HOLDERS_PAGE as usize;
    let next = if full { Some(u64::from(rows::grant(last)?.sequence)) } else { None };
    Ok(HoldersPage { holders, next })
}

/// Whether the outer join found no issuance.
fn is_unmatched(row: &PgRow) -> sqlx::Result<bool> {
    Ok(row.try_get::<Option<i32>, _>("sequence")?.is_none())
}

pub(super) async fn revision(database: &Database) -> Result<u64, EngineError> {
    let revision: i64 = database.fetch_value(sqlx::query(REVISION)).await.map_err(failed)?;
    u64::try_from(revision).map_err(|error| EngineError::Corrupt(error.to_string()))
}
