//! What operators change of the engines in PostgreSQL: a coupon is made known, or issued by other rules.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Acquire as _, PgConnection, Postgres, Row};

use super::{counter, failed, pessimistic};
use crate::domain::{AmendmentError, Coupon, CouponId, Reconfiguration, Standing};
use crate::persistence::postgres::database::Database;
use crate::persistence::postgres::rows;
use crate::ports::EngineError;

/// Makes the counter of a coupon that the catalogue has, unless there are issuances: those were decided by an engine that
/// counts elsewhere, and may not be all.
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

/// Somebody else's insertion of the same moment is not seen by the statement that gave way to it, but by the next.
const LOAD_TRIES: usize = 2;

const RECONFIGURE: &str = "UPDATE coupon_admissions
    SET total = $2, opens_at = $3, closes_at = $4, lifecycle = $5, version = version + 1
    WHERE coupon_id = $1";

const NEWS: &str = "UPDATE engine_revision SET revision = revision + 1";

/// Makes a coupon of the catalogue known.
pub(super) async fn load(database: &Database, coupon: &Coupon) -> Result<(), EngineError> {
    for _ in 0..LOAD_TRIES {
        let coupon = coupon.clone();
        let asked = database.run(|c| Box::pin(async move { loading(&coupon).fetch_one(c).await }));
        let row = asked.await.map_err(failed)?;
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

fn loading(coupon: &Coupon) -> Query<'_, Postgres, PgArguments> {
    sqlx::query(LOAD)
        .bind(coupon.id.as_str())
        .bind(rows::integer(coupon.inventory.total()))
        .bind(rows::moment(coupon.window.opens_at()))
        .bind(coupon.window.closes_at().map(rows::moment))
        .bind(coupon.lifecycle.as_str())
}

/// Applies an operator's change. It takes the lock on the counter, whichever way members are admitted: operators are few.
pub(super) async fn reconfigure(
    database: &Database,
    coupon: &CouponId,
    change: Reconfiguration,
) -> Result<Result<Standing, AmendmentError>, EngineError> {
    let id = coupon.clone();
    let step = database.run(move |c| Box::pin(async move { transaction(c, &id, change).await }));
    step.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)
}

type Outcome = Option<Result<Standing, AmendmentError>>;

async fn transaction(
    connection: &mut PgConnection,
    coupon: &CouponId,
    change: Reconfiguration,
) -> sqlx::Result<Outcome> {
    let mut transaction = connection.begin().await?;
    match locked(&mut transaction, coupon, change).await {
        Ok(outcome) => {
            transaction.commit().await?;
            Ok(outcome)
        }
        Err(error) => {
            // At once: members wait for the lock.
            let _unheard = transaction.rollback().await;
            Err(error)
        }
    }
}

async fn locked(
    connection: &mut PgConnection,
    coupon: &CouponId,
    change: Reconfiguration,
) -> sqlx::Result<Outcome> {
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
    sqlx::query(NEWS).execute(connection).await?;
    Ok(Some(Ok(after)))
}

/// Makes every node look.
pub(super) async fn announce(database: &Database) -> Result<(), EngineError> {
    let told = database.run(|c| Box::pin(async move { sqlx::query(NEWS).execute(c).await }));
    told.await.map(drop).map_err(failed)
}
