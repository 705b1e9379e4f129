//! The catalogue of coupons in PostgreSQL.

use async_trait::async_trait;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::database::Database;
use super::errors::{Fault, fault, refusal};
use super::rows;
use crate::domain::{Coupon, CouponId};
use crate::ports::{CatalogError, CouponCatalog};

/// The largest sequence stands for the count, which would read every row: both are the same once all have arrived, and
/// the index on (coupon_id, sequence) gives it in one step.
const FIND: &str = "SELECT coupons.*,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = coupons.id) AS issued
    FROM coupons WHERE id = $1";

const LIST: &str = "SELECT coupons.*,
        (SELECT max(sequence) FROM coupon_issuances WHERE coupon_id = coupons.id) AS issued
    FROM coupons WHERE $1::text IS NULL OR id > $1 ORDER BY id LIMIT $2";

const CREATE: &str = "INSERT INTO coupons
        (id, name, description, discount, total, opens_at, closes_at, valid_until, lifecycle, salt, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const SAVE: &str = "UPDATE coupons
    SET name = $2, description = $3, discount = $4, total = $5, opens_at = $6, closes_at = $7, valid_until = $8,
        lifecycle = $9
    WHERE id = $1";

/// Keeps coupons in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresCatalog {
    database: Database,
}

impl PostgresCatalog {
    /// The catalogue in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

/// `statement` with its first nine parameters: the id and all of a coupon that may be changed.
fn bound<'q>(statement: &'static str, coupon: &'q Coupon) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(coupon.id.as_str())
        .bind(coupon.terms.name())
        .bind(coupon.terms.description())
        .bind(coupon.terms.discount())
        .bind(rows::integer(coupon.inventory.total()))
        .bind(rows::moment(coupon.window.opens_at()))
        .bind(coupon.window.closes_at().map(rows::moment))
        .bind(coupon.valid_until.map(rows::moment))
        .bind(coupon.lifecycle.as_str())
}

#[async_trait]
impl CouponCatalog for PostgresCatalog {
    async fn create(&self, coupon: &Coupon) -> Result<(), CatalogError> {
        let coupon = coupon.clone();
        let done = self
            .database
            .run(|connection| {
                Box::pin(async move {
                    let query = bound(CREATE, &coupon).bind(coupon.salt.as_bytes().as_slice());
                    query.bind(rows::moment(coupon.created_at)).execute(connection).await
                })
            })
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(CatalogError::Exists),
            Err(error) => Err(failed(error)),
        }
    }

    async fn find(&self, id: &CouponId) -> Result<Coupon, CatalogError> {
        let id = id.clone();
        let row = self
            .database
            .run(|connection| {
                Box::pin(async move { sqlx::query(FIND).bind(id.as_str()).fetch_optional(connection).await })
            })
            .await
            .map_err(failed)?;
        rows::coupon(&row.ok_or(CatalogError::Missing)?).map_err(failed)
    }

    async fn list(&self, after: Option<&CouponId>, limit: u32) -> Result<Vec<Coupon>, CatalogError> {
        let after = after.cloned();
        let rows = self
            .database
            .run(move |connection| {
                Box::pin(async move {
                    let after = after.as_ref().map(CouponId::as_str);
                    sqlx::query(LIST).bind(after).bind(i64::from(limit)).fetch_all(connection).await
                })
            })
            .await
            .map_err(failed)?;
        rows.iter().map(rows::coupon).collect::<sqlx::Result<_>>().map_err(failed)
    }

    async fn save(&self, coupon: &Coupon) -> Result<(), CatalogError> {
        let coupon = coupon.clone();
        let done = self
            .database
            .run(|connection| Box::pin(async move { bound(SAVE, &coupon).execute(connection).await }))
            .await
            .map_err(failed)?;
        if done.rows_affected() == 0 { Err(CatalogError::Missing) } else { Ok(()) }
    }
}

fn failed(error: sqlx::Error) -> CatalogError {
    match fault(&error) {
        Fault::Values => CatalogError::Refused(refusal(&error)),
        Fault::Database => CatalogError::Unavailable(error.into()),
    }
}
