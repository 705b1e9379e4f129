//! What operators do with actors: look at them, and have one made anew.

use std::time::Duration;

use actix::Addr;
use tokio::time::{Instant, sleep, timeout};

use super::{ActorState, ActorView, FailedActors, LEAVE_WITHIN, Observe, Restart, SupervisorActor};

/// How long the supervisor may take to answer; it does nothing that takes long.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether the new one runs.
const POLL: Duration = Duration::from_millis(10);

/// Why an operator's call came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActorAdminError {
    /// No actor of that name is supervised here.
    #[error("no actor of this node has that name")]
    NoSuchActor,
    /// The supervisor does not answer: the node is very busy, or shuts down.
    #[error("the supervisor does not answer")]
    Silent,
}

/// The way to the actors of one node, for operators.
#[derive(Debug, Clone)]
pub struct ActorAdmin {
    supervisor: Addr<SupervisorActor>,
    failed: FailedActors,
}

impl ActorAdmin {
    /// A desk before this supervisor, which notes in `failed` who stays down.
    #[must_use]
    pub fn new(supervisor: Addr<SupervisorActor>, failed: FailedActors) -> Self {
        Self { supervisor, failed }
    }

    /// The names of those who stay down, without asking anybody.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.failed.names()
    }

    /// All of them, in the order of their names.
    ///
    /// # Errors
    /// [`ActorAdminError::Silent`].
    pub async fn list(&self) -> Result<Vec<ActorView>, ActorAdminError> {
        let asked = timeout(ANSWER_WITHIN, self.supervisor.send(Observe)).await;
        asked.ok().and_then(Result::ok).ok_or(ActorAdminError::Silent)
    }

    /// Has one made anew, and waits a little for it; gives how it is then.
    ///
    /// # Errors
    /// [`ActorAdminError`].
    pub async fn restart(&self, name: &str) -> Result<ActorView, ActorAdminError> {
        let asked = timeout(ANSWER_WITHIN, self.supervisor.send(Restart(name.to_owned()))).await;
        let before = asked.ok().and_then(Result::ok).ok_or(ActorAdminError::Silent)?;
        let before = before.ok_or(ActorAdminError::NoSuchActor)?;
        let until = Instant::now() + LEAVE_WITHIN + ANSWER_WITHIN;
        loop {
            let all = self.list().await?;
            let view = all.into_iter().find(|view| view.name == name).ok_or(ActorAdminError::NoSuchActor)?;
            let is_anew = view.state == ActorState::Running && view.restarts > before.restarts;
            if is_anew || Instant::now() >= until {
                return Ok(view);
            }
            sleep(POLL).await;
        }
    }
}
