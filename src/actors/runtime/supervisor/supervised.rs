//! One supervised actor: its phase, its restarts and its last failure.

use std::time::{Duration, Instant, SystemTime};

use actix::Addr;
use tokio::sync::watch;

use super::child::{Child, ExitNotice};
use super::intensity::Intensity;
use super::view::{ActorState, ActorView};
use super::{ChildDied, SupervisorActor};
use crate::clock;
use crate::retry::Retry;

/// Lifetime after which an actor counts as healthy: its next restart is immediate again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Reaction of the supervisor to a death.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The notice is outdated, or the actor stays down.
    Ignore,
    /// The actor has ended on its stop signal: start the next incarnation now.
    Replace,
    RestartIn(Duration),
    /// The restart intensity is exceeded: leave the actor to an operator.
    GiveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Alive, with the stop signal set; a replacement follows its death.
    Stopping,
    /// Dead, or not started yet; a start follows.
    BackingOff,
    /// Dead until an operator restarts it.
    Failed,
}

pub(super) struct Supervised {
    child: Box<dyn Child>,
    /// Distinguishes notices of this incarnation from those of earlier ones.
    incarnation: u64,
    phase: Phase,
    last_failure: Option<String>,
    since: SystemTime,
    retry: Retry,
    intensity: Intensity,
    /// Stop signal of the current incarnation.
    stop: watch::Sender<bool>,
}

impl Supervised {
    pub(super) fn new(child: Box<dyn Child>) -> Self {
        Self {
            child,
            incarnation: 0,
            phase: Phase::BackingOff,
            last_failure: None,
            since: SystemTime::now(),
            retry: Retry::restart(),
            intensity: Intensity::default(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.child.kind()
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn last_failure(&self) -> &str {
        self.last_failure.as_deref().unwrap_or("it stopped")
    }

    pub(super) fn start(&mut self, supervisor: Addr<SupervisorActor>) {
        self.incarnation += 1;
        self.enter(Phase::Running);
        self.stop = watch::Sender::new(false);
        self.child.start(ExitNotice {
            supervisor,
            name: self.child.name(),
            incarnation: self.incarnation,
            reason: None,
            stop: self.stop.subscribe(),
        });
    }

    /// Records a death, and decides on the reaction.
    pub(super) fn record_death(&mut self, incarnation: u64, reason: Option<&str>) -> Reaction {
        if incarnation != self.incarnation {
            return Reaction::Ignore;
        }
        match (self.phase, reason) {
            (Phase::BackingOff | Phase::Failed, _) => Reaction::Ignore,
            (Phase::Stopping, None) => Reaction::Replace,
            (Phase::Running, _) | (Phase::Stopping, Some(_)) => self.record_failure(reason),
        }
    }

    fn record_failure(&mut self, reason: Option<&str>) -> Reaction {
        if self.since.elapsed().is_ok_and(|lifetime| lifetime >= HEALTHY_AFTER) {
            self.retry.reset();
        }
        self.last_failure = Some(reason.unwrap_or("it stopped").to_owned());
        if self.intensity.allows(Instant::now()) {
            self.enter(Phase::BackingOff);
            Reaction::RestartIn(self.retry.wait())
        } else {
            self.enter(Phase::Failed);
            Reaction::GiveUp
        }
    }

    pub(super) fn notify_abandoned(&self) {
        self.child.on_abandoned();
    }

    /// Prepares a restart by an operator: forgets earlier restarts, and sets the stop signal of a running actor.
    pub(super) fn renew(&mut self) {
        self.intensity.forget();
        self.retry.reset();
        if self.phase == Phase::Running {
            self.enter(Phase::Stopping);
            self.stop.send_replace(true);
        }
    }

    /// The death of an actor that should live, if no notice has arrived.
    pub(super) fn find_silent_death(&self) -> Option<ChildDied> {
        let should_live = matches!(self.phase, Phase::Running | Phase::Stopping);
        let is_dead = should_live && !self.child.is_alive();
        is_dead.then(|| ChildDied { name: self.child.name(), incarnation: self.incarnation, reason: None })
    }

    pub(super) fn view(&self) -> ActorView {
        ActorView {
            name: self.child.name(),
            kind: self.child.kind(),
            state: match self.phase {
                Phase::Running => ActorState::Running,
                Phase::Stopping | Phase::BackingOff => ActorState::Restarting,
                Phase::Failed => ActorState::Failed,
            },
            waiting: self.child.waiting(),
            restarts: self.incarnation.saturating_sub(1),
            last_failure: self.last_failure.clone(),
            since: clock::timestamp(self.since),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = SystemTime::now();
    }
}
