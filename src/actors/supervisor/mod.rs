//! SupervisorActor: notices when an actor of this node has died, makes a new one and swaps its address.

mod child;
mod ward;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

pub use child::{Child, DeathNote};
use ward::Ward;
pub use ward::{ActorState, ActorView};

use super::contain::contain;
use crate::telemetry::Metrics;

/// How often the supervisor looks whether everybody lives, besides being told of deaths.
const ROUND: Duration = Duration::from_millis(250);
/// Deaths that may wait to be heard; one that does not fit is noticed by the next round.
const MAILBOX: usize = 1_024;

/// Keeps the actors of one node alive.
pub struct SupervisorActor {
    wards: BTreeMap<String, Ward>,
    /// Whether the node shuts down, after which the dead stay dead.
    stands_down: bool,
    metrics: Arc<Metrics>,
}

impl SupervisorActor {
    /// Starts the supervisor on `arbiter`.
    #[must_use]
    pub fn start_on(arbiter: &ArbiterHandle, metrics: Arc<Metrics>) -> Addr<Self> {
        // Its own handlers contain their panics without stopping, so nothing has to supervise it.
        Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(MAILBOX);
            Self { wards: BTreeMap::new(), stands_down: false, metrics }
        })
    }

    fn contained(&mut self, body: impl FnOnce(&mut Self)) {
        if let Err(why) = contain(|| body(self)) {
            tracing::error!(%why, "the supervisor went on after a failure of its own");
        }
    }

    fn start(&mut self, name: &str, supervisor: Addr<Self>) {
        if let Some(ward) = self.wards.get_mut(name) {
            ward.start(supervisor);
        }
    }

    fn died(&mut self, death: &ChildDied, ctx: &mut Context<Self>) {
        if self.stands_down {
            return;
        }
        let Some(ward) = self.wards.get_mut(&death.name) else { return };
        let Some(wait) = ward.died(death.incarnation, death.why.as_deref()) else { return };
        let kind = ward.kind();
        self.metrics.actor_restarted(kind);
        if let Some(why) = &death.why {
            self.metrics.actor_panicked(kind);
            tracing::error!(actor = death.name, %why, restart_in_ms = wait.as_millis(), "an actor failed");
        } else {
            tracing::warn!(actor = death.name, restart_in_ms = wait.as_millis(), "an actor stopped");
        }
        let name = death.name.clone();
        ctx.run_later(wait, move |supervisor, ctx| {
            let address = ctx.address();
            supervisor.contained(|supervisor| supervisor.start(&name, address));
        });
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let silent: Vec<ChildDied> = self.wards.values().filter_map(Ward::silent_death).collect();
        for death in silent {
            self.died(&death, ctx);
        }
    }
}

impl Actor for SupervisorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(ROUND, |supervisor, ctx| supervisor.contained(|supervisor| supervisor.look(ctx)));
    }
}

/// Takes an actor under supervision and starts it. A second one of the same name is left alone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Supervise(pub Box<dyn Child>);

impl Handler<Supervise> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Supervise(child): Supervise, ctx: &mut Context<Self>) {
        let address = ctx.address();
        self.contained(|supervisor| {
            let name = child.name();
            if !supervisor.wards.contains_key(&name) {
                supervisor.wards.insert(name.clone(), Ward::of(child));
                supervisor.start(&name, address);
            }
        });
    }
}

/// Tells of a death; sent by the [`DeathNote`] of whoever died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct ChildDied {
    name: String,
    incarnation: u64,
    why: Option<String>,
}

impl Handler<ChildDied> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, death: ChildDied, ctx: &mut Context<Self>) {
        self.contained(|supervisor| supervisor.died(&death, ctx));
    }
}

/// Asks for every actor's state, for operators.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ActorView>")]
pub struct Observe;

impl Handler<Observe> for SupervisorActor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, Observe: Observe, _ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.wards.values().map(Ward::view).collect())
    }
}

/// Lets the dead stay dead from now on: the node shuts down.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct StandDown;

impl Handler<StandDown> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, StandDown: StandDown, _ctx: &mut Context<Self>) {
        self.stands_down = true;
    }
}
