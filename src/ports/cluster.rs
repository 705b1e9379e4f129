//! How the nodes of one deployment meet: who lives, who does what only one may do, and what they agree on.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{BoxError, Epoch, HighWatermark};
use crate::domain::CouponId;

/// Names one process of openrun; another one after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeId(String);

impl NodeId {
    /// A new name, which no other node has.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The name as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the nodes did not meet. Nothing may be concluded from it.
#[derive(Debug, thiserror::Error)]
#[error("the nodes cannot meet: {0}")]
pub struct ClusterError(#[source] pub BoxError);

/// Which of a coupon's recoveries one speaks of; grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round(pub u32);

/// A coupon whose engine is doubted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRecovery {
    /// The coupon.
    pub coupon: CouponId,
    /// The recovery under way.
    pub round: Round,
}

/// A moment by the clock that all nodes share, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterTime(pub i64);

/// What a node hears when it says that it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// The recoveries that are under way.
    pub open: Vec<OpenRecovery>,
    /// When it was heard.
    pub now: ClusterTime,
}

/// What the nodes have said in a recovery so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReports {
    /// How many of those who are waited for have said nothing yet.
    pub missing: u32,
    /// The most that anybody has said, and the life after the last recovery.
    pub evidence: HighWatermark,
}

/// Where nodes meet, by one clock.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Says that `node` lives, that it knows what was in the catalogue at `catalog_read_at`, and that its persisters had nothing in
    /// hand for long at `idle_at`, and had given nothing back lately; `None` if they had.
    async fn heartbeat(
        &self,
        node: &NodeId,
        catalog_read_at: Option<ClusterTime>,
        idle_at: Option<ClusterTime>,
    ) -> Result<HeartbeatReply, ClusterError>;

    /// What the clock says that all nodes share.
    async fn now(&self) -> Result<ClusterTime, ClusterError>;

    /// How many nodes do not know yet what was in the catalogue at `since`, but for those silent for `silence`.
    async fn count_lagging(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError>;

    /// How many nodes have not said that their persisters were free at `since` or later, and a moment ago, but for those
    /// silent for `silence`.
    async fn count_busy(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError>;

    /// Says that `node` ends in good order, and nobody has to wait for it.
    async fn leave(&self, node: &NodeId) -> Result<(), ClusterError>;

    /// Takes or keeps the right to do `what` for `period`; whether `node` has it now. One node at a time has it.
    async fn lease(&self, what: &str, node: &NodeId, period: Duration) -> Result<bool, ClusterError>;

    /// Gives the right back at once, if `node` has it.
    async fn release(&self, what: &str, node: &NodeId) -> Result<(), ClusterError>;

    /// The recovery of `coupon` that is under way; begins one if there is none.
    async fn recovery(&self, coupon: &CouponId) -> Result<Round, ClusterError>;

    /// Says what `node` knows. Saying it again is fine.
    async fn report(
        &self,
        open: &OpenRecovery,
        node: &NodeId,
        evidence: HighWatermark,
    ) -> Result<(), ClusterError>;

    /// What has been said; who has been silent for `silence` is not waited for.
    async fn node_reports(&self, open: &OpenRecovery, silence: Duration)
    -> Result<NodeReports, ClusterError>;

    /// Ends a recovery: the engine may be used in the life `epoch`.
    async fn recovered(&self, open: &OpenRecovery, epoch: Epoch) -> Result<(), ClusterError>;

    /// Whether a recovery is still under way.
    async fn is_open(&self, open: &OpenRecovery) -> Result<bool, ClusterError>;
}
