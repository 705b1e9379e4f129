//! What the supervisor knows of one actor.

use std::time::{Duration, SystemTime};

use actix::Addr;

use super::child::{Child, DeathNote};
use super::{ChildDied, SupervisorActor};
use crate::domain::Timestamp;
use crate::retry::Retry;

/// An actor that lived this long is taken for healthy: its next restart is at once again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// What an actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorState {
    /// It takes messages.
    Running,
    /// It died and will be made again.
    Restarting,
}

impl ActorState {
    /// The word for it in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
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

/// One supervised actor.
pub(super) struct Ward {
    child: Box<dyn Child>,
    /// Counts the lives, so that news of an earlier one are told from news of this one.
    incarnation: u64,
    state: ActorState,
    last_failure: Option<String>,
    since: SystemTime,
    retry: Retry,
}

impl Ward {
    pub(super) fn of(child: Box<dyn Child>) -> Self {
        Self {
            child,
            incarnation: 0,
            state: ActorState::Restarting,
            last_failure: None,
            since: SystemTime::now(),
            retry: Retry::restart(),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.child.kind()
    }

    pub(super) fn start(&mut self, supervisor: Addr<SupervisorActor>) {
        self.incarnation += 1;
        self.become_now(ActorState::Running);
        let name = self.child.name();
        self.child.start(DeathNote { supervisor, name, incarnation: self.incarnation, why: None });
    }

    /// Takes note of a death; gives how long to wait before the next life, or `None` if this is old news.
    pub(super) fn died(&mut self, incarnation: u64, why: Option<&str>) -> Option<Duration> {
        if incarnation != self.incarnation || self.state != ActorState::Running {
            return None;
        }
        if self.since.elapsed().is_ok_and(|lived| lived >= HEALTHY_AFTER) {
            self.retry.reset();
        }
        self.last_failure = Some(why.unwrap_or("it stopped").to_owned());
        self.become_now(ActorState::Restarting);
        Some(self.retry.wait())
    }

    /// The news of a death that nobody told.
    pub(super) fn silent_death(&self) -> Option<ChildDied> {
        let dead = self.state == ActorState::Running && !self.child.is_alive();
        dead.then(|| ChildDied { name: self.child.name(), incarnation: self.incarnation, why: None })
    }

    pub(super) fn view(&self) -> ActorView {
        let since = self.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        ActorView {
            name: self.child.name(),
            kind: self.child.kind(),
            state: self.state,
            waiting: self.child.waiting(),
            restarts: self.incarnation.saturating_sub(1),
            last_failure: self.last_failure.clone(),
            since: Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    fn become_now(&mut self, state: ActorState) {
        self.state = state;
        self.since = SystemTime::now();
    }
}
