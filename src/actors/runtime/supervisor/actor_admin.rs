//! Operators' calls to the supervisor: list the actors, restart one.

use std::time::Duration;

use actix::Addr;
use tokio::time::{Instant, sleep, timeout};

use super::{ActorState, ActorView, FailedActors, Observe, Restart, STOP_WITHIN, SupervisorActor};

/// Bound on the supervisor's answer. None of its handlers waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Interval at which a restart checks whether the new incarnation runs.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActorAdminError {
    #[error("no actor of this node has that name")]
    NoSuchActor,
    /// The node is overloaded, or shuts down.
    #[error("the supervisor does not answer")]
    Silent,
}

#[derive(Debug, Clone)]
pub struct ActorAdmin {
    supervisor: Addr<SupervisorActor>,
    failed: FailedActors,
}

impl ActorAdmin {
    /// `failed` is the list that the supervisor keeps.
    #[must_use]
    pub fn new(supervisor: Addr<SupervisorActor>, failed: FailedActors) -> Self {
        Self { supervisor, failed }
    }

    /// The names of the actors that stay down. Does not ask the supervisor.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.failed.names()
    }

    /// All actors, by name.
    ///
    /// # Errors
    /// [`ActorAdminError::Silent`].
    pub async fn list(&self) -> Result<Vec<ActorView>, ActorAdminError> {
        let answer = timeout(ANSWER_WITHIN, self.supervisor.send(Observe)).await;
        answer.ok().and_then(Result::ok).ok_or(ActorAdminError::Silent)
    }

    /// Restarts an actor, waits for its next incarnation within bounds, and returns its state.
    ///
    /// # Errors
    /// [`ActorAdminError`].
    pub async fn restart(&self, name: &str) -> Result<ActorView, ActorAdminError> {
        let answer = timeout(ANSWER_WITHIN, self.supervisor.send(Restart(name.to_owned()))).await;
        let before = answer.ok().and_then(Result::ok).ok_or(ActorAdminError::Silent)?;
        let before = before.ok_or(ActorAdminError::NoSuchActor)?;
        let until = Instant::now() + STOP_WITHIN + ANSWER_WITHIN;
        loop {
            let all = self.list().await?;
            let view = all.into_iter().find(|view| view.name == name).ok_or(ActorAdminError::NoSuchActor)?;
            let is_restarted = view.state == ActorState::Running && view.restarts > before.restarts;
            if is_restarted || Instant::now() >= until {
                return Ok(view);
            }
            sleep(POLL).await;
        }
    }
}
