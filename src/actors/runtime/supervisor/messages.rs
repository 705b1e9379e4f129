//! What the supervisor is told and asked.

use actix::prelude::*;

use super::{ActorView, Child, Supervised, SupervisorActor};

/// Takes an actor under supervision and starts it. A second one of the same name is left alone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Supervise(pub Box<dyn Child>);

impl Handler<Supervise> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, Supervise(child): Supervise, ctx: &mut Context<Self>) {
        let address = ctx.address();
        self.guarded(|supervisor| {
            let name = child.name();
            if !supervisor.supervised.contains_key(&name) {
                supervisor.metrics.actor_supervised(child.kind());
                supervisor.supervised.insert(name.clone(), Supervised::of(child));
                supervisor.start(&name, 0, address);
            }
        });
    }
}

/// Tells of a death; sent by the [`super::ExitNotice`] of whoever died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChildDied {
    pub(super) name: String,
    pub(super) incarnation: u64,
    pub(super) why: Option<String>,
}

impl Handler<ChildDied> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, death: ChildDied, ctx: &mut Context<Self>) {
        self.guarded(|supervisor| supervisor.died(&death, ctx));
    }
}

/// Asks for every actor's state, for operators.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ActorView>")]
pub struct Observe;

impl Handler<Observe> for SupervisorActor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, Observe: Observe, _ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.supervised.values().map(Supervised::view).collect())
    }
}

/// Has the actor of this name made anew: one that lives finishes and ends first, one that failed gets all its tries back.
/// Answers how it was before, or `None` if there is none of that name.
#[derive(Debug, Message)]
#[rtype(result = "Option<ActorView>")]
pub struct Restart(pub String);

impl Handler<Restart> for SupervisorActor {
    type Result = MessageResult<Restart>;

    fn handle(&mut self, Restart(name): Restart, ctx: &mut Context<Self>) -> Self::Result {
        let before = self.supervised.get(&name).map(Supervised::view);
        self.guarded(|supervisor| supervisor.restart(&name, ctx));
        MessageResult(before)
    }
}

/// Lets the dead stay dead from now on: the node shuts down.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BeginShutdown;

impl Handler<BeginShutdown> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, BeginShutdown: BeginShutdown, _ctx: &mut Context<Self>) {
        self.stands_down = true;
    }
}
