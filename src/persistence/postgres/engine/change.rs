//! Loads a coupon into the engines in PostgreSQL, and applies an operator's changes.

use sqlx::{PgConnection, Row};

use super::{counter, failed, pessimistic};
use crate::domain::{AmendmentError, Coupon, CouponId, Reconfiguration, Standing};
use crate::persistence::postgres::database::Database;
use crate::persistence::postgres::rows;
use crate::ports::EngineError;

/// Inserts the counter of a coupon of the catalogue, unless the coupon has issuances: another engine decided them and
/// may have decided more.
const LOAD: &str = "WITH made AS (
        INSERT INTO coupon_admissions (coupon_id, total, opens_at, closes_at, lifecycle)
        SELECT id, $2, $3, $4, $5 FROM coupons
        WHERE id = $1 AND NOT EXISTS (SELECT FROM coupon_issuances WHERE coupon_id = $1)
        ON CONFLICT (coupon_id) DO NOTHING
        RETURNING coupon_id
    ), news AS (
        UPDATE engine_revision SET revision = revision + 1 WHERE EXISTS (SELECT FROM made)
    )
    SELECT EXISTS (SELECT FROM made) OR EXISTS (SELECT FROM coupon_admissions WHERE coupon_id = $1) AS is_known,
        EXISTS (SELECT FROM coupons WHERE id = $1) AS is_listed";

/// A concurrent insertion makes the statement skip its own without seeing the other; the next try sees it.
const LOAD_TRIES: usize = 2;

const RECONFIGURE: &str = "UPDATE coupon_admissions
    SET total = $2, opens_at = $3, closes_at = $4, lifecycle = $5, version = version + 1
    WHERE coupon_id = $1";

const RAISE_REVISION: &str = "UPDATE engine_revision SET revision = revision + 1";

pub(super) async fn load(database: &Database, coupon: &Coupon) -> Result<(), EngineError> {
    for _ in 0..LOAD_TRIES {
        let statement = sqlx::query(LOAD)
            .bind(coupon.id.as_str())
            .bind(rows::integer(coupon.inventory.total()))
            .bind(rows::moment(coupon.window.opens_at()))
            .bind(coupon.window.closes_at().map(rows::moment))
            .bind(coupon.lifecycle.as_str());
        let row = database.fetch_one(statement).await.map_err(failed)?;
        let is = |column: &str| row.try_get::<bool, _>(column).map_err(failed);
        if is("is_known")? {
            return Ok(());
        }
        if !is("is_listed")? {
            return Err(EngineError::UnknownCoupon);
        }
    }
    Err(EngineError::Fenced(
        "the coupon was issued by an engine that counts elsewhere: serve it with that engine".to_owned(),
    ))
}

/// Applies an operator's change under the lock on the counter. The optimistic engine does so, too: changes are rare.
pub(super) async fn reconfigure(
    database: &Database,
    coupon: &CouponId,
    change: Reconfiguration,
) -> Result<Result<Standing, AmendmentError>, EngineError> {
    let id = coupon.clone();
    let step =
        database.in_transaction(move |c| Box::pin(async move { reconfigure_locked(c, &id, change).await }));
    step.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)
}

async fn reconfigure_locked(
    connection: &mut PgConnection,
    coupon: &CouponId,
    change: Reconfiguration,
) -> sqlx::Result<Option<Result<Standing, AmendmentError>>> {
    pessimistic::lock(connection, coupon).await?;
    let Some(counter) = counter::read(connection, coupon, &[]).await? else { return Ok(None) };
    let after = match change.apply(counter.standing) {
        Ok(after) => after,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    sqlx::query(RECONFIGURE)
        .bind(coupon.as_str())
        .bind(rows::integer(after.inventory.total()))
        .bind(rows::moment(after.window.opens_at()))
        .bind(after.window.closes_at().map(rows::moment))
        .bind(after.lifecycle.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(RAISE_REVISION).execute(connection).await?;
    Ok(Some(Ok(after)))
}

/// Raises the revision, which makes the nodes read their coupons again.
pub(super) async fn announce(database: &Database) -> Result<(), EngineError> {
    database.execute(sqlx::query(RAISE_REVISION)).await.map(drop).map_err(failed)
}
