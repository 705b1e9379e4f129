//! Decides without a lock: a step writes only if the counter is unchanged since it was read, else it tries again.

use super::counter::{self, Admitted};
use super::failed;
use crate::domain::{AdmissionRequest, CouponId, Decision};
use crate::persistence::postgres::database::Database;
use crate::ports::{BatchAnswer, EngineError};
use crate::retry::Retry;

/// About two seconds with the waits in between; then the batch is answered as not decided. A node has one batch of a
/// coupon in flight, so only other nodes compete.
const TRIES: usize = 48;

/// Each try is two statements that commit by themselves. The second issues only if the version that the first read is
/// unchanged. A decision without new holders needs no second statement: it is true at the moment of the first.
pub(super) async fn admit(
    database: &Database,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<BatchAnswer, EngineError> {
    let mut retry = Retry::optimistic();
    for _ in 0..TRIES {
        let id = coupon.clone();
        let requests = batch.to_vec();
        let step = database.run(|c| Box::pin(async move { counter::admit(c, &id, &requests).await }));
        match step.await.map_err(failed)? {
            Admitted::Decided(Decision { verdicts, standing, .. }) => {
                return Ok(BatchAnswer { verdicts, standing });
            }
            Admitted::UnknownCoupon => return Err(EngineError::UnknownCoupon),
            Admitted::CounterChanged => tokio::time::sleep(retry.wait()).await,
        }
    }
    Err(EngineError::Busy(format!("other nodes changed the coupon during each of {TRIES} tries").into()))
}
