//! The supervisor, over an actor whose panics nothing contains.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use openrun::actors::runtime::{
    ActorState, Arbiters, Child, ExitNotice, FailedActors, Observe, Supervise, SupervisorActor,
};
use openrun::telemetry::Metrics;

use crate::stage::in_system;
use crate::support::races::until;

/// An actor that says nothing when it dies, if so told.
struct Fragile {
    note: Option<ExitNotice>,
}

impl Actor for Fragile {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Break {
    silently: bool,
}

impl Handler<Break> for Fragile {
    type Result = ();

    fn handle(&mut self, Break { silently }: Break, _ctx: &mut Context<Self>) {
        if silently {
            // Never dropped, so that the supervisor is not told.
            if let Some(note) = self.note.take() {
                std::mem::forget(note);
            }
        }
        panic!("on purpose, and past every containment");
    }
}

/// Makes them, one after the other.
#[derive(Clone)]
struct FragileChild {
    arbiter: ArbiterHandle,
    address: Arc<std::sync::Mutex<Option<Addr<Fragile>>>>,
    /// Whether making one fails as well.
    barren: Arc<AtomicBool>,
}

impl FragileChild {
    fn address(&self) -> Addr<Fragile> {
        self.address.lock().expect("nobody panics with it").clone().expect("it was started")
    }
}

impl Child for FragileChild {
    fn name(&self) -> String {
        "fragile/1".to_owned()
    }

    fn kind(&self) -> &'static str {
        "fragile"
    }

    fn start(&self, note: ExitNotice) {
        assert!(!self.barren.swap(false, Ordering::SeqCst), "on purpose, when it was to be made");
        let address = Fragile::start_in_arbiter(&self.arbiter, |_| Fragile { note: Some(note) });
        *self.address.lock().expect("nobody panics with it") = Some(address);
    }

    fn is_alive(&self) -> bool {
        self.address.lock().expect("nobody panics with it").as_ref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// Breaks a supervised actor by `break_it` so many times, and sees that there is a new one each time.
fn is_replaced(times: u64, break_it: impl Fn(&FragileChild)) {
    in_system(async move {
        let arbiters = Arbiters::start(2);
        let supervisor = SupervisorActor::start_on(
            &arbiters.of("supervisor"),
            Arc::new(Metrics::new()),
            FailedActors::default(),
        );
        let (address, barren) = (Arc::default(), Arc::default());
        let child = FragileChild { arbiter: arbiters.of("fragile"), address, barren };
        supervisor.send(Supervise(Box::new(child.clone()))).await.expect("the supervisor lives");
        for time in 1..=times {
            break_it(&child);
            until(&format!("life number {}", time + 1), async || {
                let views = supervisor.send(Observe).await.expect("the supervisor lives");
                let view = views.into_iter().find(|view| view.name == "fragile/1").expect("it is known");
                let lives = view.state == ActorState::Running && view.restarts >= time && child.is_alive();
                (lives && view.last_failure.is_some()).then_some(())
            })
            .await;
        }
        arbiters.stop();
    });
}

#[test]
fn a_panic_that_nothing_contains_is_told_by_the_death_note() {
    is_replaced(4, |child| child.address().do_send_now(false));
}

#[test]
fn a_death_that_nobody_tells_is_noticed_by_the_round() {
    is_replaced(4, |child| child.address().do_send_now(true));
}

#[test]
fn an_actor_that_cannot_be_made_is_made_later() {
    // Two deaths each time, of which five are forgiven.
    is_replaced(2, |child| {
        child.barren.store(true, Ordering::SeqCst);
        child.address().do_send_now(false);
    });
}

/// Sends without waiting for an answer that never comes.
trait SendNow {
    fn do_send_now(&self, silently: bool);
}

impl SendNow for Addr<Fragile> {
    fn do_send_now(&self, silently: bool) {
        self.try_send(Break { silently }).expect("it lives, and its mailbox is empty");
    }
}
