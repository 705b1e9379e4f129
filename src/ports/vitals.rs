//! Measurements of the services around a node. No decision depends on them.

use async_trait::async_trait;

use super::BusError;

/// Queue lengths in the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    /// Messages for persisters, without those in flight. A message has one event or several.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
}

/// Reads queue lengths on a connection of its own, so that a slow or failed reading disturbs neither publishers nor
/// consumers.
#[async_trait]
pub trait QueueWatch: Send + Sync {
    /// Present lengths, within a bound of its own.
    async fn queues(&self) -> Result<Queues, BusError>;
}

/// Usage of a connection pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Open connections.
    pub open: u32,
    /// Idle ones among the open connections.
    pub idle: u32,
    /// Upper limit of open connections.
    pub max: u32,
}

/// A pool of connections.
pub trait ConnectionPool: Send + Sync {
    /// Present usage, without I/O.
    fn usage(&self) -> PoolUse;
}
