//! ReconcilerActor: compares engine, outbox and database on a schedule, repairs what is safe and reports the rest.

mod asking;
mod examine;
mod naming;
mod promises;
mod repair;
mod report;
mod run;
mod slice;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use arc_swap::ArcSwapOption;
use tokio::sync::watch as channel;
use tokio::time::timeout;

pub use self::asking::{ReconcileError, ReconcileParts};
pub use self::promises::{CouponProof, Promise, ProofReport, verify};
pub use self::report::{CouponReport, DriftKind, DriftReport, Finding};
pub use self::run::{Reconciler, RepairMode};
pub use self::watch::{Unwatched, Watch};
use super::contain::Contained;
use super::fail_point;
use super::right::Right;
use super::supervisor::{Child, DeathNote, Leave};

/// The actor's kind in metrics and lists.
const KIND: &str = "reconciler";

/// What runs, how often, and whether this node is the one that is to run it.
#[derive(Clone)]
struct Schedule {
    reconciler: Reconciler,
    interval: Duration,
    /// None where there is only one node. Two that run at once do no harm, but do the work twice.
    right: Option<Right>,
}

impl Schedule {
    async fn may_run(&mut self) -> bool {
        match &mut self.right {
            Some(right) => right.is_held().await,
            None => true,
        }
    }

    /// Lets another node begin at once.
    async fn end(&mut self) {
        if let Some(right) = &mut self.right {
            right.give_back().await;
        }
    }
}

/// The shell around the reconciler.
pub struct ReconcilerActor {
    work: Option<(Schedule, Leave)>,
    note: DeathNote,
}

impl ReconcilerActor {
    /// What the supervisor needs to keep one alive on `arbiter`; it runs every `interval`, until `stopping` becomes true.
    #[must_use]
    pub fn child(
        reconciler: Reconciler,
        interval: Duration,
        right: Option<Right>,
        stopping: channel::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        let schedule = Schedule { reconciler, interval, right };
        ReconcilerChild { schedule, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

async fn scheduled_run(reconciler: &Reconciler) {
    fail_point::visit(KIND, "run");
    match reconciler.run(None, RepairMode::Repair, &mut Unwatched).await {
        // What was found has been told by the run itself.
        Ok(_) | Err(ReconcileError::Busy) => {}
        Err(error) => tracing::warn!(%error, "reconciling has to wait for the next run"),
    }
}

impl Contained for ReconcilerActor {
    fn failed(&mut self, why: String) {
        self.note.because(why);
    }
}

impl Actor for ReconcilerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some((mut schedule, mut leave)) = self.work.take() else { return ctx.stop() };
        self.run_contained(ctx, async move {
            loop {
                let _rested_or_leaving = timeout(schedule.interval, leave.due()).await;
                if leave.is_due() {
                    return schedule.end().await;
                }
                if schedule.may_run().await {
                    // A run of a million coupons takes long, and is given up without harm when the node stops.
                    tokio::select! {
                        () = scheduled_run(&schedule.reconciler) => {}
                        () = leave.due() => return schedule.end().await,
                    }
                }
            }
        });
    }
}

struct ReconcilerChild {
    schedule: Schedule,
    stopping: channel::Sender<bool>,
    arbiter: ArbiterHandle,
    address: ArcSwapOption<Addr<ReconcilerActor>>,
}

impl Child for ReconcilerChild {
    fn name(&self) -> String {
        KIND.to_owned()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn start(&self, note: DeathNote) {
        let work = Some((self.schedule.clone(), Leave::of(&self.stopping, &note)));
        let actor = ReconcilerActor::start_in_arbiter(&self.arbiter, move |_| ReconcilerActor { work, note });
        self.address.store(Some(Arc::new(actor)));
    }

    fn is_alive(&self) -> bool {
        self.address.load().as_deref().is_some_and(Addr::connected)
    }

    fn waiting(&self) -> usize {
        0
    }
}
