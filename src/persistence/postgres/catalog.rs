//! The catalogue of coupons in PostgreSQL.

use async_trait::async_trait;
use sqlx::Row;

use super::database::{Database, Statement};
use super::errors::{Fault, cause, fault, refusal};
use super::rows;
use crate::domain::{Coupon, CouponId, Lifecycle, SalePeriod, Terms};
use crate::persistence::catalog_page::page_of;
use crate::ports::{CatalogChange, CatalogError, CatalogPage, CouponCatalog, TotalChange};

/// The largest sequence stands in for the count, which would read every row. Both are equal once all issuances have
/// arrived, and the index on (coupon_id, sequence) gives the largest in one step.
const FIND: &str = "SELECT coupons.*,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = coupons.id) AS issued
    FROM coupons WHERE id = $1";

const LIST: &str = "SELECT coupons.*,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = coupons.id) AS issued
    FROM coupons WHERE $1::text IS NULL OR id > $1 ORDER BY id LIMIT $2";

const CREATE: &str = "INSERT INTO coupons
        (id, name, description, discount, total, opens_at, closes_at, valid_until, lifecycle, salt, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// One statement, so that concurrent changes of two nodes apply one after the other.
const CHANGE: &str = "UPDATE coupons SET
        name = COALESCE($2, name), description = COALESCE($3, description), discount = COALESCE($4, discount),
        opens_at = COALESCE($5, opens_at), closes_at = CASE WHEN $5 IS NULL THEN closes_at ELSE $6 END,
        valid_until = CASE WHEN $7 THEN $8 ELSE valid_until END,
        lifecycle = CASE WHEN lifecycle = 'closed' THEN lifecycle ELSE COALESCE($9, lifecycle) END,
        total = CASE
            WHEN $10::int IS NOT NULL THEN GREATEST(total, $10)
            WHEN total = $11::int THEN $12::int
            ELSE total END
    WHERE id = $1";

#[derive(Debug, Clone)]
pub struct PostgresCatalog {
    database: Database,
}

impl PostgresCatalog {
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

fn create_statement(coupon: &Coupon) -> Statement {
    sqlx::query(CREATE)
        .bind(coupon.id.as_str())
        .bind(coupon.terms.name())
        .bind(coupon.terms.description())
        .bind(coupon.terms.discount())
        .bind(rows::integer(coupon.inventory.total()))
        .bind(rows::moment(coupon.window.opens_at()))
        .bind(coupon.window.closes_at().map(rows::moment))
        .bind(coupon.valid_until.map(rows::moment))
        .bind(coupon.lifecycle.as_str())
        .bind(coupon.salt.as_bytes().as_slice())
        .bind(rows::moment(coupon.created_at))
}

#[async_trait]
impl CouponCatalog for PostgresCatalog {
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError> {
        match self.database.execute(create_statement(coupon)).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(CatalogError::Exists),
            Err(error) => Err(failed(error)),
        }
    }

    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError> {
        let row = self.database.fetch_optional(sqlx::query(FIND).bind(id.as_str())).await.map_err(failed)?;
        rows::coupon(&row.ok_or(CatalogError::Missing)?).map_err(failed)
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<CatalogPage, CatalogError> {
        let statement = sqlx::query(LIST).bind(after).bind(i64::from(limit));
        let rows = self.database.fetch_all(statement).await.map_err(failed)?;
        page_of(&rows, limit, |row| row.try_get("id"), rows::coupon).map_err(failed)
    }

    async fn change(&self, id: &CouponId, change: &CatalogChange) -> Result<(), CatalogError> {
        let changed_rows = self.database.execute(change_statement(id, change)).await.map_err(failed)?;
        if changed_rows == 0 { Err(CatalogError::Missing) } else { Ok(()) }
    }
}

fn change_statement(id: &CouponId, change: &CatalogChange) -> Statement {
    let terms = change.terms.as_ref();
    let replace = change.total.and_then(TotalChange::replace);
    sqlx::query(CHANGE)
        .bind(id.as_str())
        .bind(terms.map(Terms::name))
        .bind(terms.map(Terms::description))
        .bind(terms.map(Terms::discount))
        .bind(change.window.map(|window| rows::moment(window.opens_at())))
        .bind(change.window.and_then(SalePeriod::closes_at).map(rows::moment))
        .bind(change.valid_until.is_some())
        .bind(change.valid_until.flatten().map(rows::moment))
        .bind(change.lifecycle.map(Lifecycle::as_str))
        .bind(change.total.and_then(TotalChange::at_least).map(rows::integer))
        .bind(replace.map(|(old, _)| rows::integer(old)))
        .bind(replace.map(|(_, new)| rows::integer(new)))
}

fn failed(error: sqlx::Error) -> CatalogError {
    match fault(&error) {
        Fault::Values | Fault::Total => CatalogError::Refused(refusal(&error)),
        Fault::Database => CatalogError::Unavailable(cause(error)),
    }
}
