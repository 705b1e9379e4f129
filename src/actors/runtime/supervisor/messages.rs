//! The messages of the supervisor.

use actix::prelude::*;

use super::{ActorView, Child, Supervised, SupervisorActor};

/// Takes an actor under supervision and starts it. Has no effect if one of the same name is supervised already.
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
                supervisor.supervised.insert(name.clone(), Supervised::new(child));
                supervisor.start(&name, 0, address);
            }
        });
    }
}

/// Sent by the [`super::ExitNotice`] of an actor that has died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChildDied {
    pub(super) name: String,
    pub(super) incarnation: u64,
    pub(super) reason: Option<String>,
}

impl Handler<ChildDied> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, death: ChildDied, ctx: &mut Context<Self>) {
        self.guarded(|supervisor| supervisor.handle_death(&death, ctx));
    }
}

/// Lists every actor's state, for operators.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ActorView>")]
pub struct Observe;

impl Handler<Observe> for SupervisorActor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, Observe: Observe, _ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.supervised.values().map(Supervised::view).collect())
    }
}

/// Restarts the actor of this name: a running actor finishes its work first, a failed one gets all its restarts back.
/// The answer is its state before, or `None` if there is no actor of this name.
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

/// Ends all restarts: the node shuts down.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct BeginShutdown;

impl Handler<BeginShutdown> for SupervisorActor {
    type Result = ();

    fn handle(&mut self, BeginShutdown: BeginShutdown, _ctx: &mut Context<Self>) {
        self.is_shutting_down = true;
    }
}
