//! Cooperation of the nodes: heartbeats, leases, and the recovery of an engine that may have lost something.

mod heartbeat;
mod lease;
mod membership;
mod recovery;

pub(crate) use heartbeat::connected_server;
pub use heartbeat::{HeartbeatActor, HeartbeatDeps};
pub use lease::Lease;
pub use membership::{Membership, PropagationError};
pub use recovery::{Recoveries, RecoveryDeps};
