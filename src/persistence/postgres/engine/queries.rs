//! What can be asked of the engines in PostgreSQL, each by one statement that changes nothing.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{counter, failed};
use crate::domain::{CouponId, Grant, MemberId, Standing};
use crate::persistence::postgres::database::Database;
use crate::persistence::postgres::rows;
use crate::ports::{EngineError, HoldersPage};

/// Members on one page of holders.
const HOLDERS_PAGE: u32 = 1_000;

/// The outer join tells an unknown coupon (no row) from a member without one (a row of nothing).
const FIND: &str = "SELECT held.sequence, held.issued_at FROM coupon_admissions AS a
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.member_id = $2
    WHERE a.coupon_id = $1";

const HOLDERS: &str = "SELECT held.sequence, held.member_id, held.issued_at FROM coupon_admissions AS a
    LEFT JOIN coupon_issuances AS held ON held.coupon_id = a.coupon_id AND held.sequence > $2
    WHERE a.coupon_id = $1 ORDER BY held.sequence LIMIT $3";

const REVISION: &str = "SELECT revision FROM engine_revision";

/// What `member` holds.
pub(super) async fn find(
    database: &Database,
    coupon: &CouponId,
    member: &MemberId,
) -> Result<Option<Grant>, EngineError> {
    let (id, member) = (coupon.to_string(), member.to_string());
    let asked = database
        .run(|c| Box::pin(async move { sqlx::query(FIND).bind(id).bind(member).fetch_optional(c).await }));
    let row = asked.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?;
    if is_nothing(&row).map_err(failed)? {
        return Ok(None);
    }
    rows::grant(&row).map(Some).map_err(failed)
}

/// How a coupon stands.
pub(super) async fn standing(database: &Database, coupon: &CouponId) -> Result<Standing, EngineError> {
    let id = coupon.clone();
    let asked = database.run(|c| Box::pin(async move { counter::read(c, &id, &[]).await }));
    Ok(asked.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?.standing)
}

/// A page of holders; the cursor is the last sequence of the page before.
pub(super) async fn holders(
    database: &Database,
    coupon: &CouponId,
    cursor: u64,
) -> Result<HoldersPage, EngineError> {
    let id = coupon.to_string();
    // No sequence is above what a column holds.
    let after = i32::try_from(cursor).unwrap_or(i32::MAX);
    let asked = database.run(move |c| {
        Box::pin(async move {
            sqlx::query(HOLDERS).bind(id).bind(after).bind(i64::from(HOLDERS_PAGE)).fetch_all(c).await
        })
    });
    let found = asked.await.map_err(failed)?;
    if found.is_empty() {
        return Err(EngineError::UnknownCoupon);
    }
    page(&found).map_err(failed)
}

fn page(found: &[PgRow]) -> sqlx::Result<HoldersPage> {
    let Some(last) = found.last() else { return Ok(HoldersPage::default()) };
    if is_nothing(last)? {
        return Ok(HoldersPage::default());
    }
    let holder = |row: &PgRow| Ok::<_, sqlx::Error>((rows::holder(row)?.1, rows::grant(row)?));
    let holders = found.iter().map(holder).collect::<Result<_, _>>()?;
    let full = found.len() == HOLDERS_PAGE as usize;
    let next = if full { Some(u64::from(rows::grant(last)?.sequence)) } else { None };
    Ok(HoldersPage { holders, next })
}

/// Whether an outer join found nothing.
fn is_nothing(row: &PgRow) -> sqlx::Result<bool> {
    Ok(row.try_get::<Option<i32>, _>("sequence")?.is_none())
}

/// The number that grows with every change.
pub(super) async fn revision(database: &Database) -> Result<u64, EngineError> {
    let asked = database.run(|c| Box::pin(async move { sqlx::query_scalar(REVISION).fetch_one(c).await }));
    let revision: i64 = asked.await.map_err(failed)?;
    u64::try_from(revision).map_err(|error| EngineError::Corrupt(error.to_string()))
}
