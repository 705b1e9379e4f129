//! ReconcilerActor: compares engine, outbox and database on a schedule, repairs what is safe and reports the rest.

mod comparison;
mod findings;
mod invariants;
mod repair;
mod report;
mod run;
mod slice;
mod sources;
mod uncomparable;
mod watch;

use std::time::Duration;

use tokio::time::timeout;

pub use self::invariants::{CouponProof, Invariant, ProofReport, verify};
pub use self::report::{CouponReport, DriftKind, DriftReport, Finding};
pub use self::run::{Reconciler, RepairMode};
pub use self::sources::{ReconcileDeps, ReconcileError};
pub use self::watch::{Unwatched, Watch};
use crate::actors::cluster::Lease;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::fault_injection::panics;

/// Reconciles on a schedule.
pub type ReconcilerActor = BackgroundActor<ReconcileSchedule>;

/// What runs, how often, and whether this node is the one that is to run it.
#[derive(Clone)]
pub struct ReconcileSchedule {
    /// What runs.
    pub reconciler: Reconciler,
    /// From one run to the next.
    pub interval: Duration,
    /// None where there is only one node. Two that run at once do no harm, but do the work twice.
    pub right: Option<Lease>,
}

impl ReconcileSchedule {
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

async fn scheduled_run(reconciler: &Reconciler) {
    panics::visit(ReconcileSchedule::KIND, "run");
    match reconciler.run(None, RepairMode::Repair, &mut Unwatched).await {
        // What was found has been told by the run itself.
        Ok(_) | Err(ReconcileError::Busy) => {}
        Err(error) => tracing::warn!(%error, "reconciling has to wait for the next run"),
    }
}

impl BackgroundTask for ReconcileSchedule {
    const KIND: &'static str = "reconciler";

    async fn run(mut self, mut leave: StopSignal) {
        loop {
            let _rested_or_leaving = timeout(self.interval, leave.wait()).await;
            if leave.is_set() {
                return self.end().await;
            }
            if !self.may_run().await {
                // What this node found once must not stand beside what another finds now.
                self.reconciler.is_anothers();
            } else {
                // A run of a million coupons takes long, and is given up without harm when the node stops.
                tokio::select! {
                    () = scheduled_run(&self.reconciler) => {}
                    () = leave.wait() => return self.end().await,
                }
            }
        }
    }
}
