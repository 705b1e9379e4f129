//! The supervisor, over an actor without a panic boundary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::prelude::*;
use openrun::actors::runtime::{
    ActorState, Arbiters, Child, ExitNotice, FailedActors, Observe, Supervise, SupervisorActor,
};
use openrun::sync::Locked;
use openrun::telemetry::Metrics;

use crate::stage::in_system;
use crate::support::races::until;

/// An actor that panics on command, with or without an exit notice.
struct Fragile {
    exit: Option<ExitNotice>,
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
            // Never dropped, so it does not notify the supervisor.
            if let Some(exit) = self.exit.take() {
                std::mem::forget(exit);
            }
        }
        panic!("on purpose, without a boundary");
    }
}

#[derive(Clone)]
struct FragileChild {
    arbiter: ArbiterHandle,
    address: Arc<Locked<Option<Addr<Fragile>>>>,
    /// Whether the next start panics.
    fails_to_start: Arc<AtomicBool>,
}

impl FragileChild {
    fn address(&self) -> Addr<Fragile> {
        self.address.lock().clone().expect("the actor was started")
    }

    fn break_now(&self, silently: bool) {
        self.address().try_send(Break { silently }).expect("the actor lives, and its mailbox is empty");
    }
}

impl Child for FragileChild {
    fn name(&self) -> String {
        "fragile/1".to_owned()
    }

    fn kind(&self) -> &'static str {
        "fragile"
    }

    fn start(&self, exit: ExitNotice) {
        assert!(!self.fails_to_start.swap(false, Ordering::SeqCst), "on purpose, at the start");
        let address = Fragile::start_in_arbiter(&self.arbiter, |_| Fragile { exit: Some(exit) });
        *self.address.lock() = Some(address);
    }

    fn is_alive(&self) -> bool {
        self.address.lock().as_ref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// Breaks a supervised actor by `break_it` so many times, and checks that it is restarted each time.
fn is_restarted(times: u64, break_it: impl Fn(&FragileChild)) {
    in_system(async move {
        let arbiters = Arbiters::start(2);
        let supervisor = SupervisorActor::start_on(
            &arbiters.of("supervisor"),
            Arc::new(Metrics::new()),
            FailedActors::default(),
        );
        let child = FragileChild {
            arbiter: arbiters.of("fragile"),
            address: Arc::default(),
            fails_to_start: Arc::default(),
        };
        supervisor.send(Supervise(Box::new(child.clone()))).await.expect("the supervisor lives");
        for time in 1..=times {
            break_it(&child);
            until(&format!("incarnation {}", time + 1), async || {
                let views = supervisor.send(Observe).await.expect("the supervisor lives");
                let view = views.into_iter().find(|view| view.name == "fragile/1").expect("it is listed");
                let is_running =
                    view.state == ActorState::Running && view.restarts >= time && child.is_alive();
                (is_running && view.last_failure.is_some()).then_some(())
            })
            .await;
        }
        arbiters.stop();
    });
}

#[test]
fn the_exit_notice_reports_a_panic_without_a_boundary() {
    is_restarted(4, |child| child.break_now(false));
}

#[test]
fn the_round_notices_a_death_without_an_exit_notice() {
    is_restarted(4, |child| child.break_now(true));
}

#[test]
fn an_actor_that_fails_to_start_is_started_later() {
    // Two deaths each time; five restarts are allowed.
    is_restarted(2, |child| {
        child.fails_to_start.store(true, Ordering::SeqCst);
        child.break_now(false);
    });
}
