//! Whoever finds the counter as it was read writes; who was slower reads again. Nobody holds a lock while deciding.

use sqlx::PgConnection;

use super::{counter, failed};
use crate::domain::{AdmissionRequest, CouponId};
use crate::domain::{Decision, decide};
use crate::persistence::postgres::database::Database;
use crate::ports::{BatchAnswer, EngineError};
use crate::retry::Retry;

/// How often a batch is tried before its members are told that nothing was decided: with the waits in between about two
/// seconds. A node has one batch of a coupon under way, so that only other nodes can be faster.
const TRIES: usize = 48;

/// What became of one try.
enum Tried {
    /// It is decided and, if anybody won, committed.
    Decided(Decision),
    /// Somebody else was faster; nothing was written.
    Late,
    /// There is no such coupon.
    Unknown,
}

/// Decides for a batch, and decides again when another node was faster.
pub(super) async fn admit(
    database: &Database,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> Result<BatchAnswer, EngineError> {
    let mut retry = Retry::turn();
    for _ in 0..TRIES {
        let (id, members) = (coupon.clone(), batch.to_vec());
        let step = database.run(|c| Box::pin(async move { once(c, &id, &members).await }));
        match step.await.map_err(failed)? {
            Tried::Decided(Decision { verdicts, standing, .. }) => {
                return Ok(BatchAnswer { verdicts, standing });
            }
            Tried::Unknown => return Err(EngineError::UnknownCoupon),
            Tried::Late => tokio::time::sleep(retry.wait()).await,
        }
    }
    Err(EngineError::Busy(format!("other nodes were faster {TRIES} times").into()))
}

/// One try: two statements that each commit by themselves. What the first one read is worth something only if the second
/// finds the version unchanged; if nobody wins, it is the whole truth of one moment.
async fn once(
    connection: &mut PgConnection,
    coupon: &CouponId,
    batch: &[AdmissionRequest],
) -> sqlx::Result<Tried> {
    let Some(mut counter) = counter::read(connection, coupon, batch).await? else {
        return Ok(Tried::Unknown);
    };
    let decision = decide(counter.standing, counter.standing.now, std::mem::take(&mut counter.held), batch);
    let nobody_won = decision.winners.is_empty();
    if nobody_won || counter::issue(connection, &counter.turn(coupon), &decision).await? {
        return Ok(Tried::Decided(decision));
    }
    Ok(Tried::Late)
}
