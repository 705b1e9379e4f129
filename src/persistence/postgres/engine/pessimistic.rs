//! Whoever has locked the coupon's counter decides; all others wait for it in the database, in about the order in which
//! they came.

use sqlx::{Acquire as _, PgConnection};

use super::{counter, failed};
use crate::domain::{AdmissionRequest, CouponId};
use crate::domain::{Decision, decide};
use crate::persistence::postgres::database::Database;
use crate::ports::{BatchAnswer, EngineError};

/// A statement of its own: what is read by the statement that waited for the lock is as it was before the wait, without
/// the rows of whoever had the lock until then.
const LOCK: &str = "SELECT FROM coupon_admissions WHERE coupon_id = $1 FOR UPDATE";

/// Decides for a batch in one transaction.
pub(super) async fn admit(
    database: &Database,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<BatchAnswer, EngineError> {
    let (id, batch) = (coupon.clone(), batch.to_vec());
    let step = database.run(|c| Box::pin(async move { transaction(c, &id, &batch).await }));
    let Decision { verdicts, standing, .. } =
        step.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?;
    Ok(BatchAnswer { verdicts, standing })
}

/// Runs to its end in a task that nobody cancels ([`Database::run`]).
async fn transaction(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Option<Decision>> {
    let mut transaction = connection.begin().await?;
    match locked(&mut transaction, coupon, batch).await {
        Ok(decision) => {
            transaction.commit().await?;
            Ok(decision)
        }
        Err(error) => {
            // At once: others wait for the lock. If it cannot be said, the server hears that the connection is gone.
            let _unheard = transaction.rollback().await;
            Err(error)
        }
    }
}

async fn locked(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Option<Decision>> {
    lock(connection, coupon).await?;
    let Some(mut counter) = counter::read(connection, coupon, batch).await? else { return Ok(None) };
    let decision = decide(counter.standing, counter.standing.now, std::mem::take(&mut counter.held), batch);
    let nobody_won = decision.winners.is_empty();
    if nobody_won || counter::issue(connection, &counter.turn(coupon), &decision).await? {
        return Ok(Some(decision));
    }
    // Nobody else can change a locked row; if it changed all the same, nothing of this may be committed.
    Err(sqlx::Error::Decode("the counter moved under its lock".into()))
}

/// Takes the lock on a coupon's counter for the rest of the transaction.
pub(super) async fn lock(connection: &mut PgConnection, coupon: &CouponId) -> sqlx::Result<()> {
    sqlx::query(LOCK).bind(coupon.as_str()).execute(connection).await.map(drop)
}
