//! Coordination of the nodes of one deployment: heartbeats, leases and recoveries.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{BoxError, Epoch, HighWatermark};
use crate::domain::CouponId;

/// Id of one process of openrun. A restarted node gets another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeId(String);

impl NodeId {
    /// A unique id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The id as it is stored.
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

/// A failed call to the cluster's database. Its outcome is unknown.
#[derive(Debug, thiserror::Error)]
#[error("the cluster's database did not answer: {0}")]
pub struct ClusterError(#[source] pub BoxError);

/// Number of a recovery of one coupon; grows with each recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round(pub u32);

/// A recovery under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRecovery {
    /// Coupon whose engine has to be verified or rebuilt.
    pub coupon: CouponId,
    /// Number of the recovery.
    pub round: Round,
}

/// Microseconds by the clock that all nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterTime(pub i64);

/// Answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// Recoveries under way.
    pub open: Vec<OpenRecovery>,
    /// Time at which the heartbeat was stored.
    pub now: ClusterTime,
}

/// The node reports of one recovery so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeReports {
    /// Living nodes whose report is still missing.
    pub missing: u32,
    /// The highest values of all reports, and the epoch that the last recovery ended with.
    pub evidence: HighWatermark,
}

/// Coordinates nodes, by one clock.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Stores a heartbeat of `node`. `catalog_read_at` is the time of its last complete read of the catalogue. `idle_since` is the time
    /// at which its persisters had been idle for long and had returned no delivery lately; `None` if they were not
    /// idle.
    async fn heartbeat(
        &self,
        node: &NodeId,
        catalog_read_at: Option<ClusterTime>,
        idle_since: Option<ClusterTime>,
    ) -> Result<HeartbeatReply, ClusterError>;

    /// The present time by the shared clock.
    async fn now(&self) -> Result<ClusterTime, ClusterError>;

    /// Counts the nodes that have not read the catalogue since `since`. Nodes without a heartbeat for `silence` do not
    /// count.
    async fn count_lagging(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError>;

    /// Counts the nodes without a report of idle persisters that is both at or after `since` and a few heartbeats old at
    /// most. Nodes without a heartbeat for `silence` do not count.
    async fn count_busy(&self, since: ClusterTime, silence: Duration) -> Result<u32, ClusterError>;

    /// Removes `node`, which shuts down in good order, from the nodes that others wait for.
    async fn leave(&self, node: &NodeId) -> Result<(), ClusterError>;

    /// Takes or renews the lease `what` for `period`, and returns whether `node` holds it now. At most one node holds
    /// it.
    async fn lease(&self, what: &str, node: &NodeId, period: Duration) -> Result<bool, ClusterError>;

    /// Ends the lease `what` at once, if `node` holds it.
    async fn release(&self, what: &str, node: &NodeId) -> Result<(), ClusterError>;

    /// Returns the recovery of `coupon` that is under way, or begins one.
    async fn open_recovery(&self, coupon: &CouponId) -> Result<Round, ClusterError>;

    /// Stores the report of `node` for this recovery. Idempotent.
    async fn report(
        &self,
        open: &OpenRecovery,
        node: &NodeId,
        evidence: HighWatermark,
    ) -> Result<(), ClusterError>;

    /// The reports so far. Nodes without a heartbeat for `silence` are not waited for.
    async fn node_reports(&self, open: &OpenRecovery, silence: Duration)
    -> Result<NodeReports, ClusterError>;

    /// Ends a recovery: nodes may use the engine in `epoch`.
    async fn end_recovery(&self, open: &OpenRecovery, epoch: Epoch) -> Result<(), ClusterError>;

    /// Whether the recovery is still under way.
    async fn is_open(&self, open: &OpenRecovery) -> Result<bool, ClusterError>;
}
