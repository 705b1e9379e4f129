//! One lock per coupon in Redis, with a lease and a fencing token that exposes a late holder.

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

/// Many times the duration of a step. A node that dies while it holds the lock delays the others for this long.
const LEASE: Duration = Duration::from_millis(1_000);

/// The lock of a coupon, held by this process.
pub(super) struct HeldLock {
    shared: Arc<Shared>,
    coupon: CouponId,
    token: String,
    /// Grows each time the lock is taken. Redis refuses a write with an older token than the newest.
    pub(super) fencing_token: u64,
}

/// Takes the lock of `coupon`, waiting for it until `deadline`.
///
/// # Errors
/// [`EngineError::Busy`] if other nodes held it until the deadline.
pub(super) async fn take(
    shared: &Arc<Shared>,
    coupon: &CouponId,
    deadline: Instant,
) -> Result<HeldLock, EngineError> {
    let token = Uuid::new_v4().simple().to_string();
    let mut retry = Retry::lock();
    loop {
        let mut run = shared.scripts.lock_take.prepare_invoke();
        run.key(keys::lock(coupon)).key(keys::fencing_token(coupon));
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
        run.arg(&token).arg(lease_ms);
        let fencing_token: u64 =
            from_redis_value(shared.connection.invoke(&run).await?).map_err(corrupt_because)?;
        if fencing_token > 0 {
            return Ok(HeldLock { shared: Arc::clone(shared), coupon: coupon.clone(), token, fencing_token });
        }
        let wait = retry.wait();
        if Instant::now() + wait >= deadline {
            return Err(EngineError::Busy("other nodes held the coupon's lock until the deadline".into()));
        }
        tokio::time::sleep(wait).await;
    }
}

impl HeldLock {
    /// If Redis does not answer, the lock stays until its lease ends.
    pub(super) async fn release(self) {
        let mut run = self.shared.scripts.lock_release.prepare_invoke();
        run.key(keys::lock(&self.coupon)).arg(&self.token);
        if let Err(error) = self.shared.connection.invoke(&run).await {
            tracing::debug!(coupon = %self.coupon, %error, "lock not released: it stays until its lease ends");
        }
    }
}
