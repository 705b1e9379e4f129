//! What the supervisor knows of one actor.

use std::time::{Duration, Instant, SystemTime};

use actix::Addr;
use tokio::sync::watch;

use super::child::{Child, ExitNotice};
use super::intensity::Intensity;
use super::view::{ActorState, ActorView};
use super::{ChildDied, SupervisorActor};
use crate::domain::Timestamp;
use crate::retry::Retry;

/// An actor that lived this long is taken for healthy: its next restart is at once again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// What is to be done about a death.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it is old news, or of an actor that stays down.
    Nothing,
    /// It has ended because it was told to: make the next one at once.
    Replace,
    /// Make the next one after this wait.
    RestartIn(Duration),
    /// It died too often: leave it to an operator.
    GiveUp,
}

/// One supervised actor.
pub(super) struct Supervised {
    child: Box<dyn Child>,
    /// Counts the lives, so that news of an earlier one are told from news of this one.
    incarnation: u64,
    state: ActorState,
    last_failure: Option<String>,
    since: SystemTime,
    retry: Retry,
    intensity: Intensity,
    /// Tells the present life to finish and end.
    leave: watch::Sender<bool>,
}

impl Supervised {
    pub(super) fn of(child: Box<dyn Child>) -> Self {
        Self {
            child,
            incarnation: 0,
            state: ActorState::Restarting,
            last_failure: None,
            since: SystemTime::now(),
            retry: Retry::restart(),
            intensity: Intensity::default(),
            leave: watch::Sender::new(false),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.child.kind()
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(super) fn state(&self) -> ActorState {
        self.state
    }

    pub(super) fn last_failure(&self) -> &str {
        self.last_failure.as_deref().unwrap_or("it stopped")
    }

    pub(super) fn start(&mut self, supervisor: Addr<SupervisorActor>) {
        self.incarnation += 1;
        self.become_now(ActorState::Running);
        self.leave = watch::Sender::new(false);
        self.child.start(ExitNotice {
            supervisor,
            name: self.child.name(),
            incarnation: self.incarnation,
            why: None,
            leave: self.leave.subscribe(),
        });
    }

    /// Takes note of a death; says what is to be done about it.
    pub(super) fn died(&mut self, incarnation: u64, why: Option<&str>) -> Next {
        if incarnation != self.incarnation || self.state == ActorState::Failed {
            return Next::Nothing;
        }
        if *self.leave.borrow() && why.is_none() {
            return Next::Replace;
        }
        if self.state != ActorState::Running && !*self.leave.borrow() {
            return Next::Nothing;
        }
        if self.since.elapsed().is_ok_and(|lived| lived >= HEALTHY_AFTER) {
            self.retry.reset();
        }
        self.last_failure = Some(why.unwrap_or("it stopped").to_owned());
        self.leave.send_replace(false);
        if self.intensity.allows(Instant::now()) {
            self.become_now(ActorState::Restarting);
            Next::RestartIn(self.retry.wait())
        } else {
            self.become_now(ActorState::Failed);
            Next::GiveUp
        }
    }

    /// Lets those who wait for it know that it stays down.
    pub(super) fn give_up(&self) {
        self.child.on_abandoned();
    }

    /// Gives it all its tries back, because an operator said so. `true` if it lives and was told to finish and end.
    pub(super) fn renew(&mut self) -> bool {
        self.intensity.forget();
        self.retry.reset();
        if self.state != ActorState::Running {
            return *self.leave.borrow();
        }
        self.become_now(ActorState::Restarting);
        self.leave.send_replace(true);
        true
    }

    /// The news of a death that nobody told.
    pub(super) fn silent_death(&self) -> Option<ChildDied> {
        let should_live = self.state == ActorState::Running || *self.leave.borrow();
        let dead = should_live && !self.child.is_alive();
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
