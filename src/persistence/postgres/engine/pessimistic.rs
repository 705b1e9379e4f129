//! Decides under the lock on the coupon's counter. Other steps wait for it in the database, roughly in order of
//! arrival.

use sqlx::PgConnection;

use super::counter::{self, Admitted};
use super::failed;
use crate::domain::{AdmissionRequest, CouponId, Decision};
use crate::persistence::postgres::database::Database;
use crate::ports::{BatchAnswer, EngineError};

/// A statement of its own: a statement that waits for a lock reads the data as of the beginning of the wait, without
/// the rows that the previous lock holder committed.
const LOCK: &str = "SELECT FROM coupon_admissions WHERE coupon_id = $1 FOR UPDATE";

/// Decides for a batch in one transaction.
pub(super) async fn admit(
    database: &Database,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<BatchAnswer, EngineError> {
    let id = coupon.clone();
    let requests = batch.to_vec();
    let step = database.in_transaction(|c| Box::pin(async move { admit_locked(c, &id, &requests).await }));
    let Decision { verdicts, standing, .. } =
        step.await.map_err(failed)?.ok_or(EngineError::UnknownCoupon)?;
    Ok(BatchAnswer { verdicts, standing })
}

async fn admit_locked(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Option<Decision>> {
    lock(connection, coupon).await?;
    match counter::admit(connection, coupon, batch).await? {
        Admitted::Decided(decision) => Ok(Some(decision)),
        Admitted::UnknownCoupon => Ok(None),
        // A locked row cannot change; if it did, the transaction must not commit.
        Admitted::CounterChanged => {
            Err(sqlx::Error::Decode("the counter changed although it was locked".into()))
        }
    }
}

/// Takes the lock on a coupon's counter for the rest of the transaction.
pub(super) async fn lock(connection: &mut PgConnection, coupon: &CouponId) -> sqlx::Result<()> {
    sqlx::query(LOCK).bind(coupon.as_str()).execute(connection).await.map(drop)
}
