//! SupervisorActor: restarts the actors of this node that have died. An actor that dies too often stays down until an
//! operator restarts it.

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
use supervised::{Phase, Reaction, Supervised};
pub use view::{ActorState, ActorView};

use crate::actors::runtime::catch_panic::catch_panic;
use crate::telemetry::Metrics;

/// Interval of the search for dead actors without an exit notice.
const ROUND: Duration = Duration::from_millis(250);
/// Mailbox capacity. An exit notice that finds no room is made good by the next round.
const MAILBOX: usize = 1_024;
/// Time for a restarted actor to finish its work. After it the next incarnation starts beside the old one. That is safe:
/// no actor holds the truth, and the old one ends when its work is done.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub struct SupervisorActor {
    supervised: BTreeMap<String, Supervised>,
    /// Whether the node shuts down, after which no actor is restarted.
    is_shutting_down: bool,
    failed: FailedActors,
    metrics: Arc<Metrics>,
}

impl SupervisorActor {
    /// Starts the supervisor on `arbiter`. It lists the actors that stay down in `failed`.
    #[must_use]
    pub fn start_on(arbiter: &ArbiterHandle, metrics: Arc<Metrics>, failed: FailedActors) -> Addr<Self> {
        // Its handlers catch their panics and go on, so it needs no supervisor.
        Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            Self { supervised: BTreeMap::new(), is_shutting_down: false, failed, metrics }
        })
    }

    fn guarded(&mut self, body: impl FnOnce(&mut Self)) {
        if let Err(message) = catch_panic(|| body(self)) {
            tracing::error!(error = %message, "a handler of the supervisor panicked; the supervisor goes on");
        }
    }

    /// Starts the incarnation after `incarnation`, unless it has been started already.
    fn start(&mut self, name: &str, incarnation: u64, supervisor: Addr<Self>) {
        let Some(actor) = self.supervised.get_mut(name) else { return };
        if actor.incarnation() != incarnation || actor.phase() == Phase::Running || self.is_shutting_down {
            return;
        }
        if self.failed.remove(name) {
            self.metrics.actor_is_back(actor.kind());
        }
        actor.start(supervisor);
    }

    /// Starts the incarnation after `incarnation` in a while, unless the actor has been given up by then.
    fn start_later(&self, name: &str, incarnation: u64, wait: Duration, ctx: &mut Context<Self>) {
        let name = name.to_owned();
        ctx.run_later(wait, move |supervisor, ctx| {
            let address = ctx.address();
            supervisor.guarded(|supervisor| {
                if supervisor.supervised.get(&name).is_some_and(|actor| actor.phase() != Phase::Failed) {
                    supervisor.start(&name, incarnation, address);
                }
            });
        });
    }

    fn handle_death(&mut self, death: &ChildDied, ctx: &mut Context<Self>) {
        if self.is_shutting_down {
            return;
        }
        let Some(actor) = self.supervised.get_mut(&death.name) else { return };
        let (name, kind) = (&death.name, actor.kind());
        let reaction = actor.record_death(death.incarnation, death.reason.as_deref());
        if matches!(reaction, Reaction::RestartIn(_) | Reaction::GiveUp) && death.reason.is_some() {
            self.metrics.actor_panicked(kind);
        }
        match reaction {
            Reaction::Ignore => {}
            Reaction::Replace => {
                self.metrics.actor_restarted(kind);
                tracing::info!(
                    actor = name,
                    "an actor ended on its stop signal: its next incarnation starts"
                );
                self.start(name, death.incarnation, ctx.address());
            }
            Reaction::RestartIn(wait) => {
                self.metrics.actor_restarted(kind);
                let restart_in_ms = wait.as_millis();
                match &death.reason {
                    Some(reason) => {
                        tracing::error!(actor = name, error = %reason, restart_in_ms, "an actor failed: it is restarted");
                    }
                    None => tracing::warn!(actor = name, restart_in_ms, "an actor stopped: it is restarted"),
                }
                self.start_later(name, death.incarnation, wait, ctx);
            }
            Reaction::GiveUp => {
                tracing::error!(
                    actor = name,
                    error = %actor.last_failure(),
                    restarts = intensity::RESTARTS_MAX,
                    within_s = intensity::WITHIN.as_secs(),
                    "an actor failed too often and stays down: remove the cause, then `openrun actors restart {name}`"
                );
                self.failed.add(name);
                self.metrics.actor_stays_down(kind);
                actor.notify_abandoned();
            }
        }
    }

    fn restart(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(actor) = self.supervised.get_mut(name) else { return };
        let incarnation = actor.incarnation();
        tracing::warn!(actor = name, state = actor.view().state.as_str(), "an operator restarts an actor");
        actor.renew();
        if actor.phase() == Phase::Stopping {
            self.start_later(name, incarnation, STOP_WITHIN, ctx);
        } else {
            self.metrics.actor_restarted(actor.kind());
            self.start(name, incarnation, ctx.address());
        }
    }

    fn find_silent_deaths(&mut self, ctx: &mut Context<Self>) {
        let deaths: Vec<ChildDied> =
            self.supervised.values().filter_map(Supervised::find_silent_death).collect();
        for death in deaths {
            self.handle_death(&death, ctx);
        }
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(ROUND, |supervisor, ctx| {
            supervisor.guarded(|supervisor| supervisor.find_silent_deaths(ctx));
        });
    }
}
