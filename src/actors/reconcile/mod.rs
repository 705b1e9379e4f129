//! ReconcilerActor: compares engine, outbox and database on a schedule, makes safe repairs and reports the rest.

mod comparison;
mod findings;
mod invariants;
mod repair;
mod report;
mod run;
mod slice;
mod sources;
mod uncomparable;

use std::time::Duration;

use tokio::time::timeout;

pub use self::comparison::{Unwatched, Watch};
pub use self::invariants::{CouponProof, Invariant, ProofReport, verify};
pub use self::report::{CouponReport, DriftKind, DriftReport, Finding};
pub use self::run::{Reconciler, RepairMode};
pub use self::sources::{ReconcileDeps, ReconcileError};
use crate::actors::cluster::Lease;
use crate::actors::runtime::StopSignal;
use crate::actors::runtime::{BackgroundActor, BackgroundTask};
use crate::fault_injection::panics;

pub type ReconcilerActor = BackgroundActor<ReconcileSchedule>;

#[derive(Clone)]
pub struct ReconcileSchedule {
    pub reconciler: Reconciler,
    /// Between two runs.
    pub interval: Duration,
    /// Absent on a single node. Two nodes that run at the same time do the work twice, but no harm.
    pub lease: Option<Lease>,
}

impl ReconcileSchedule {
    async fn holds_lease(&mut self) -> bool {
        match &mut self.lease {
            Some(lease) => lease.is_held().await,
            None => true,
        }
    }

    /// Lets another node run at once.
    async fn release_lease(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.release().await;
        }
    }
}

async fn scheduled_run(reconciler: &Reconciler) {
    panics::visit(ReconcileSchedule::KIND, "run");
    match reconciler.run(None, RepairMode::Repair, &mut Unwatched).await {
        // The run has logged its findings.
        Ok(_) | Err(ReconcileError::Busy) => {}
        Err(error) => tracing::warn!(%error, "reconciling failed; the next run tries again"),
    }
}

impl BackgroundTask for ReconcileSchedule {
    const KIND: &'static str = "reconciler";

    async fn run(mut self, mut stop: StopSignal) {
        loop {
            let _waited_or_stopping = timeout(self.interval, stop.wait()).await;
            if stop.is_set() {
                return self.release_lease().await;
            }
            if !self.holds_lease().await {
                // Old findings of this node must not stand beside new ones of another node.
                self.reconciler.clear_metrics();
            } else {
                // A stop may interrupt a run, which takes long with a million coupons, at any point.
                tokio::select! {
                    () = scheduled_run(&self.reconciler) => {}
                    () = stop.wait() => return self.release_lease().await,
                }
            }
        }
    }
}
