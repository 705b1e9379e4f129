//! What operators see of the actors of a node.

use crate::domain::Timestamp;

/// What an actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorState {
    /// It takes messages.
    Running,
    /// It died or was told to end, and will be made again.
    Restarting,
    /// It died too often, and stays down until an operator has it made again.
    Failed,
}

impl ActorState {
    /// The word for it in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        }
    }
}

/// What operators see of one actor.
#[derive(Debug, Clone)]
pub struct ActorView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it is doing.
    pub state: ActorState,
    /// How many messages wait for it.
    pub waiting: usize,
    /// How often it was made again.
    pub restarts: u64,
    /// Why it died the last time.
    pub last_failure: Option<String>,
    /// Since when it is in this state.
    pub since: Timestamp,
}
