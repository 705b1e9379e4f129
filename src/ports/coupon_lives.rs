//! The record of which server decides each coupon, kept outside the engine.

use async_trait::async_trait;

use super::{ClusterError, Epoch};
use crate::domain::CouponId;

/// One life of a coupon: from a load, a verification or a rebuild to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// The loading of the coupon into the engine.
    pub epoch: Epoch,
    /// The process of the engine's server, which a restart or a failover changes.
    pub server: String,
}

/// The recorded lives. A coupon may be decided in its current life only: of two servers that both consider themselves
/// the engine, one is recorded.
#[async_trait]
pub trait CouponLives: Send + Sync + std::fmt::Debug {
    /// The current life of `coupon`; `None` if none was ever recorded.
    async fn current_life(&self, coupon: &CouponId) -> Result<Option<Life>, ClusterError>;

    /// Records `life` if it is the first one of `coupon`, and returns the current life. A coupon that is not in the
    /// catalogue has no record: `life` itself is returned.
    async fn begin_life(&self, coupon: &CouponId, life: &Life) -> Result<Life, ClusterError>;
}
