//! A lock a coupon in Redis, with a lease, and a number by which a holder that comes too late is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::from_redis_value;
use uuid::Uuid;

use super::engine::Shared;
use super::keys;
use super::reply::corrupt_because;
use crate::domain::CouponId;
use crate::ports::EngineError;
use crate::retry::Retry;

/// How long a holder has the lock unless it gives it back: many times what a step takes. A node that dies in the middle
/// of one holds up the others for so long.
const LEASE: Duration = Duration::from_millis(1_000);

/// The lock of a coupon, held by this process.
pub(super) struct Held {
    shared: Arc<Shared>,
    coupon: CouponId,
    token: String,
    /// Grows each time anybody takes the lock. What is written for a turn is refused once there is a later one.
    pub(super) turn: u64,
}

/// Takes the lock of `coupon`, waiting for it until `deadline`.
///
/// # Errors
/// [`EngineError::Busy`] if others had it all the time.
pub(super) async fn take(
    shared: &Arc<Shared>,
    coupon: &CouponId,
    deadline: Instant,
) -> Result<Held, EngineError> {
    let token = Uuid::new_v4().simple().to_string();
    let mut retry = Retry::lock();
    loop {
        let mut run = shared.scripts.lock_take.prepare_invoke();
        run.key(keys::lock(coupon)).key(keys::turn(coupon));
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
        run.arg(&token).arg(lease_ms);
        let turn: u64 = from_redis_value(shared.connection.invoke(&run).await?).map_err(corrupt_because)?;
        if turn > 0 {
            return Ok(Held { shared: Arc::clone(shared), coupon: coupon.clone(), token, turn });
        }
        let wait = retry.wait();
        if Instant::now() + wait >= deadline {
            return Err(EngineError::Busy("other nodes had the coupon's lock all the time".into()));
        }
        tokio::time::sleep(wait).await;
    }
}

impl Held {
    /// Gives the lock back. If that does not succeed, the lease ends by itself.
    pub(super) async fn release(self) {
        let mut run = self.shared.scripts.lock_release.prepare_invoke();
        run.key(keys::lock(&self.coupon)).arg(&self.token);
        if let Err(error) = self.shared.connection.invoke(&run).await {
            tracing::debug!(coupon = %self.coupon, %error, "a lock is left to its lease");
        }
    }
}
