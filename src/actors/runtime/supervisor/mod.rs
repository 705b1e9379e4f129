//! SupervisorActor: notices when an actor of this node has died, makes a new one and swaps its address. One that dies too
//! often is left to an operator.

mod actor_admin;
mod child;
mod failed;
mod intensity;
mod messages;
mod stop_signal;
mod supervised;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

pub use actor_admin::{ActorAdmin, ActorAdminError};
pub use child::{Child, ExitNotice};
pub use failed::FailedActors;
use messages::ChildDied;
pub use messages::{BeginShutdown, Observe, Restart, Supervise};
pub use stop_signal::StopSignal;
pub(crate) use stop_signal::stop_on_signal;
use supervised::{Next, Supervised};
pub use view::{ActorState, ActorView};

use crate::actors::runtime::catch_panic::catch_panic;
use crate::telemetry::Metrics;

/// How often the supervisor looks whether everybody lives, besides being told of deaths.
const ROUND: Duration = Duration::from_millis(250);
/// Deaths that may wait to be heard; one that does not fit is noticed by the next round.
const MAILBOX: usize = 1_024;
/// How long an actor may take to finish when it is to be made anew. Then the next one is made beside it, which does no
/// harm: none of them holds the truth, and the old one ends when it is done.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Keeps the actors of one node alive.
pub struct SupervisorActor {
    supervised: BTreeMap<String, Supervised>,
    /// Whether the node shuts down, after which the dead stay dead.
    stands_down: bool,
    /// Those that died too often, for others to read.
    failed: FailedActors,
    metrics: Arc<Metrics>,
}

impl SupervisorActor {
    /// Starts the supervisor on `arbiter`; it notes in `failed` who stays down.
    #[must_use]
    pub fn start_on(arbiter: &ArbiterHandle, metrics: Arc<Metrics>, failed: FailedActors) -> Addr<Self> {
        // Its own handlers contain their panics without stopping, so nothing has to supervise it.
        Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            Self { supervised: BTreeMap::new(), stands_down: false, failed, metrics }
        })
    }

    fn guarded(&mut self, body: impl FnOnce(&mut Self)) {
        if let Err(why) = catch_panic(|| body(self)) {
            tracing::error!(error = %why, "the supervisor went on after a failure of its own");
        }
    }

    /// Makes the life that follows number `incarnation`, unless that has been done.
    fn start(&mut self, name: &str, incarnation: u64, supervisor: Addr<Self>) {
        let Some(ward) = self.supervised.get_mut(name) else { return };
        if ward.incarnation() != incarnation || ward.state() == ActorState::Running || self.stands_down {
            return;
        }
        if self.failed.remove(name) {
            self.metrics.actor_is_back(ward.kind());
        }
        ward.start(supervisor);
    }

    fn start_later(&self, name: &str, incarnation: u64, wait: Duration, ctx: &mut Context<Self>) {
        let name = name.to_owned();
        ctx.run_later(wait, move |supervisor, ctx| {
            let address = ctx.address();
            supervisor.guarded(|supervisor| supervisor.start_unless_failed(&name, incarnation, address));
        });
    }

    /// As [`SupervisorActor::start`], for a start that was planned before something else may have happened.
    fn start_unless_failed(&mut self, name: &str, incarnation: u64, supervisor: Addr<Self>) {
        if self.supervised.get(name).is_some_and(|ward| ward.state() == ActorState::Restarting) {
            self.start(name, incarnation, supervisor);
        }
    }

    fn died(&mut self, death: &ChildDied, ctx: &mut Context<Self>) {
        if self.stands_down {
            return;
        }
        let Some(ward) = self.supervised.get_mut(&death.name) else { return };
        let (name, kind) = (&death.name, ward.kind());
        let next = ward.died(death.incarnation, death.why.as_deref());
        if matches!(next, Next::RestartIn(_) | Next::GiveUp) && death.why.is_some() {
            self.metrics.actor_panicked(kind);
        }
        match next {
            Next::Nothing => {}
            Next::Replace => {
                self.metrics.actor_restarted(kind);
                tracing::info!(actor = name, "an actor ended as it was told, and is made anew");
                self.start(name, death.incarnation, ctx.address());
            }
            Next::RestartIn(wait) => {
                self.metrics.actor_restarted(kind);
                let restart_in_ms = wait.as_millis();
                match &death.why {
                    Some(why) => {
                        tracing::error!(actor = name, error = %why, restart_in_ms, "an actor failed");
                    }
                    None => tracing::warn!(actor = name, restart_in_ms, "an actor stopped"),
                }
                self.start_later(name, death.incarnation, wait, ctx);
            }
            Next::GiveUp => {
                tracing::error!(
                    actor = name,
                    error = %ward.last_failure(),
                    restarts = intensity::RESTARTS_MAX,
                    within_s = intensity::WITHIN.as_secs(),
                    "an actor died too often and stays down: when the cause is gone, `openrun actors restart {name}`"
                );
                self.failed.add(name);
                self.metrics.actor_stays_down(kind);
                ward.give_up();
            }
        }
    }

    fn restart(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(ward) = self.supervised.get_mut(name) else { return };
        let incarnation = ward.incarnation();
        tracing::warn!(actor = name, state = ward.state().as_str(), "an operator has an actor made anew");
        if ward.renew() {
            self.start_later(name, incarnation, LEAVE_WITHIN, ctx);
        } else {
            self.metrics.actor_restarted(ward.kind());
            self.start(name, incarnation, ctx.address());
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let silent: Vec<ChildDied> = self.supervised.values().filter_map(Supervised::silent_death).collect();
        for death in silent {
            self.died(&death, ctx);
        }
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(ROUND, |supervisor, ctx| supervisor.guarded(|supervisor| supervisor.look(ctx)));
    }
}
