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
use super::supervisor::{Child, DeathNote};

/// The actor's kind in metrics and lists.
const KIND: &str = "reconciler";

/// The shell around the reconciler.
pub struct ReconcilerActor {
    work: Option<(Reconciler, Duration, channel::Receiver<bool>)>,
    note: DeathNote,
}

impl ReconcilerActor {
    /// What the supervisor needs to keep one alive on `arbiter`; it runs every `interval`, until `stopping` becomes true.
    #[must_use]
    pub fn child(
        reconciler: Reconciler,
        interval: Duration,
        stopping: channel::Sender<bool>,
        arbiter: ArbiterHandle,
    ) -> impl Child {
        ReconcilerChild { reconciler, interval, stopping, arbiter, address: ArcSwapOption::empty() }
    }
}

/// Whether this node is the one that is to run now. Two that run at once do no harm, but do the work twice.
fn may_run() -> bool {
    true
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
        let Some((reconciler, interval, mut stopping)) = self.work.take() else { return ctx.stop() };
        self.run_contained(ctx, async move {
            loop {
                let _rested_or_stopping = timeout(interval, stopping.changed()).await;
                if *stopping.borrow() {
                    return;
                }
                if may_run() {
                    // A run of a million coupons takes long, and is given up without harm when the node stops.
                    tokio::select! {
                        () = scheduled_run(&reconciler) => {}
                        _ = stopping.changed() => return,
                    }
                }
            }
        });
    }
}

struct ReconcilerChild {
    reconciler: Reconciler,
    interval: Duration,
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
        let work = Some((self.reconciler.clone(), self.interval, self.stopping.subscribe()));
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
