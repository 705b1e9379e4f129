//! The state of an actor, as shown to operators.

use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorState {
    Running,
    /// The actor has died or is stopping, and its next incarnation follows.
    Restarting,
    /// The actor has died too often and stays down until an operator restarts it.
    Failed,
}

impl ActorState {
    /// The state's name in the interface for operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct ActorView {
    pub name: String,
    pub kind: &'static str,
    pub state: ActorState,
    /// Messages that wait for the actor.
    pub waiting: usize,
    pub restarts: u64,
    pub last_failure: Option<String>,
    /// Begin of the current state.
    pub since: Timestamp,
}
