//! The catalogue of coupons, in the same table from which the embedded engine decides.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::database::SqliteDatabase;
use super::failure::catalog_error;
use super::{revision, rows};
use crate::domain::{Coupon, CouponId, Lifecycle, SalePeriod, Terms, Timestamp};
use crate::persistence::catalog_page::page_of;
use crate::ports::{CatalogChange, CatalogError, CatalogPage, CouponCatalog, TotalChange};

/// A coupon that is created here is known to the embedded engine at once.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    database: SqliteDatabase,
}

impl SqliteCatalog {
    #[must_use]
    pub fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CouponCatalog for SqliteCatalog {
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError> {
        let coupon = coupon.clone();
        let inserted = self
            .database
            .write(move |c| Box::pin(async move { insert_coupon(c, &coupon).await }))
            .await
            .map_err(catalog_error)?;
        if inserted { Ok(()) } else { Err(CatalogError::Exists) }
    }

    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError> {
        let query = sqlx::query("SELECT * FROM coupons WHERE id = $1").bind(id.as_str());
        let row = query.fetch_optional(self.database.readers()).await.map_err(catalog_error)?;
        rows::coupon(&row.ok_or(CatalogError::Missing)?).map_err(catalog_error)
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<CatalogPage, CatalogError> {
        // No id is empty, so all ids follow the empty text.
        let after = after.unwrap_or_default();
        let query = sqlx::query("SELECT * FROM coupons WHERE id > $1 ORDER BY id LIMIT $2");
        let found = query.bind(after).bind(limit).fetch_all(self.database.readers()).await;
        let found = found.map_err(catalog_error)?;
        page_of(&found, limit, |row| row.try_get("id"), rows::coupon).map_err(catalog_error)
    }

    async fn change(&self, id: &CouponId, change: &CatalogChange) -> Result<(), CatalogError> {
        let (id, change) = (id.clone(), change.clone());
        let known = self
            .database
            .write(move |c| Box::pin(async move { change_coupon(c, &id, &change).await }))
            .await
            .map_err(catalog_error)?;
        if known { Ok(()) } else { Err(CatalogError::Missing) }
    }
}

/// Inserts a coupon unless its id exists, with a count of zero, and gives whether it was inserted.
pub(super) async fn insert_coupon(
    connection: &mut SqliteConnection,
    coupon: &Coupon,
) -> Result<bool, sqlx::Error> {
    let sql =
        "INSERT INTO coupons (id, name, description, discount, total, issued, opens_at_ms, closes_at_ms,
            valid_until_ms, lifecycle, salt, created_at_ms)
        VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING";
    let done = sqlx::query(sql)
        .bind(coupon.id.as_str())
        .bind(coupon.terms.name())
        .bind(coupon.terms.description())
        .bind(coupon.terms.discount())
        .bind(coupon.inventory.total())
        .bind(coupon.window.opens_at().as_ms())
        .bind(coupon.window.closes_at().map(Timestamp::as_ms))
        .bind(coupon.valid_until.map(Timestamp::as_ms))
        .bind(coupon.lifecycle.as_str())
        .bind(coupon.salt.as_bytes().as_slice())
        .bind(coupon.created_at.as_ms())
        .execute(&mut *connection)
        .await?;
    let inserted = done.rows_affected() == 1;
    if inserted {
        revision::bump(connection).await?;
    }
    Ok(inserted)
}

/// Applies `change` and gives whether the coupon exists. Constraints of the schema refuse forbidden changes.
async fn change_coupon(
    connection: &mut SqliteConnection,
    id: &CouponId,
    change: &CatalogChange,
) -> Result<bool, sqlx::Error> {
    let sql = "UPDATE coupons SET
            name = coalesce($2, name), description = coalesce($3, description), discount = coalesce($4, discount),
            opens_at_ms = coalesce($5, opens_at_ms),
            closes_at_ms = CASE WHEN $5 IS NULL THEN closes_at_ms ELSE $6 END,
            valid_until_ms = CASE WHEN $7 THEN $8 ELSE valid_until_ms END,
            lifecycle = coalesce($9, lifecycle),
            total = CASE WHEN $10 IS NOT NULL THEN max(total, $10) WHEN total = $11 THEN $12 ELSE total END
        WHERE id = $1";
    let terms = change.terms.as_ref();
    let replace = change.total.and_then(TotalChange::replace);
    let done = sqlx::query(sql)
        .bind(id.as_str())
        .bind(terms.map(Terms::name))
        .bind(terms.map(Terms::description))
        .bind(terms.map(Terms::discount))
        .bind(change.window.map(|window| window.opens_at().as_ms()))
        .bind(change.window.and_then(SalePeriod::closes_at).map(Timestamp::as_ms))
        .bind(change.valid_until.is_some())
        .bind(change.valid_until.flatten().map(Timestamp::as_ms))
        .bind(change.lifecycle.map(Lifecycle::as_str))
        .bind(change.total.and_then(TotalChange::at_least))
        .bind(replace.map(|(old, _)| old))
        .bind(replace.map(|(_, new)| new))
        .execute(&mut *connection)
        .await?;
    let known = done.rows_affected() == 1;
    if known {
        revision::bump(connection).await?;
    }
    Ok(known)
}
