//! What is looked at to see whether the services around the node are well. Nothing is decided by it.

use async_trait::async_trait;

use super::BusError;

/// How many messages the broker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queues {
    /// Waiting for a persister, not counting those in the hands of one. A message is one event or several.
    pub waiting: u64,
    /// Set aside, for an operator to look at.
    pub dead: u64,
}

/// Looks into the broker's queues, apart from everything that publishes and reads them: a look that fails or hangs costs
/// nothing but the look.
#[async_trait]
pub trait QueueWatch: Send + Sync {
    /// How many messages there are now, within a bound of its own.
    async fn queues(&self) -> Result<Queues, BusError>;
}

/// How much of a pool of connections is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// The most that may be open.
    pub max: u32,
}

/// A pool of connections.
pub trait ConnectionPool: Send + Sync {
    /// How much of it is in use now. Asks nobody.
    fn usage(&self) -> PoolUse;
}
