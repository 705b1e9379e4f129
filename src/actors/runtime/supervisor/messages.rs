//! What the supervisor is told and asked.

use actix::prelude::*;

use super::{ActorView, Child, SupervisorActor, Ward};

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
                supervisor.metrics.actor_supervised(child.kind());
                supervisor.wards.insert(name.clone(), Ward::of(child));
                supervisor.start(&name, 0, address);
            }
        });
    }
}

/// Tells of a death; sent by the [`super::DeathNote`] of whoever died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct ChildDied {
    pub(super) name: String,
    pub(super) incarnation: u64,
    pub(super) why: Option<String>,
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

/// Has the actor of this name made anew: one that lives finishes and ends first, one that failed gets all its tries back.
/// Answers how it was before, or `None` if there is none of that name.
#[derive(Debug, Message)]
#[rtype(result = "Option<ActorView>")]
pub struct Restart(pub String);

impl Handler<Restart> for SupervisorActor {
    type Result = MessageResult<Restart>;

    fn handle(&mut self, Restart(name): Restart, ctx: &mut Context<Self>) -> Self::Result {
        let before = self.wards.get(&name).map(Ward::view);
        self.contained(|supervisor| supervisor.restart(&name, ctx));
        MessageResult(before)
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
