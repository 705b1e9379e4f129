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
use std::time::{Duration, Instant};

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
use super::supervisor::{Child, DeathNote};

/// The actor's kind in metrics and lists.
const KIND: &str = "reconciler";

/// How often it is looked whether a run is due and whether it is this node's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The shell around the reconciler.
pub struct ReconcilerActor {
    work: Option<Work>,
    note: DeathNote,
}

struct Work {
    reconciler: Reconciler,
    interval: Duration,
    right: Option<Right>,
    stopping: channel::Receiver<bool>,
}

impl ReconcilerActor {
    /// What the supervisor needs to keep one alive on `arbiter`; it runs every `interval`
    /// while this node has the `right`, until `stopping` becomes true.
    #[must_use]
    pub fn child(
        reconciler: Reconciler,
        interval: Duration,
        right: Option<Right>,
        stopping: channel::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        ReconcilerChild { reconciler, interval, right, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

/// Whether this node is the one that is to run. Two that run at once do no harm, but do the work twice.
async fn may_run(right: &mut Option<Right>) -> bool {
    match right {
        Some(right) => right.is_held().await,
        // Nobody else is at this engine.
        None => true,
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
        let Some(Work { reconciler, interval, mut right, mut stopping }) = self.work.take() else {
            return ctx.stop();
        };
        self.run_contained(ctx, async move {
            let mut due = Instant::now() + interval;
            while !*stopping.borrow() {
                let _rested_or_stopping = timeout(LOOK_EVERY, stopping.changed()).await;
                // Asked for also in between, so that the right stays here from one run to the next.
                if may_run(&mut right).await && Instant::now() >= due {
                    // A run of a million coupons takes long, and is given up without harm when the node stops.
                    tokio::select! {
                        () = scheduled_run(&reconciler) => due = Instant::now() + interval,
                        _ = stopping.changed() => {}
                    }
                }
            }
            if let Some(right) = &mut right {
                right.give_back().await;
            }
        });
    }
}

struct ReconcilerChild {
    reconciler: Reconciler,
    interval: Duration,
    right: Option<Right>,
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
        let work = Some(Work {
            reconciler: self.reconciler.clone(),
            interval: self.interval,
            right: self.right.clone(),
            stopping: self.stopping.subscribe(),
        });
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
