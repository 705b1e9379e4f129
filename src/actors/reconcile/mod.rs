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
#[cfg(test)]
use crate::domain::{CodeSalt, Coupon, CouponId, Inventory, Lifecycle, SalePeriod, Terms, Timestamp};
use crate::fault_injection::panics;

pub type ReconcilerActor = BackgroundActor<ReconcileSchedule>;

#[derive(Clone)]
pub struct ReconcileSchedule {
    pub reconciler: Reconciler,
    /// Between two runs.
    pub interval: Duration,
    /// Two nodes that run at the same time do the work twice, but no harm.
    pub lease: Lease,
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
                return self.lease.release().await;
            }
            if !self.lease.is_held().await {
                // Old findings of this node must not stand beside new ones of another node.
                self.reconciler.clear_metrics();
            } else {
                // A stop may interrupt a run, which takes long with a million coupons, at any point.
                tokio::select! {
                    () = scheduled_run(&self.reconciler) => {}
                    () = stop.wait() => return self.lease.release().await,
                }
            }
        }
    }
}

#[cfg(test)]
fn sample_coupon(total: u32, window: SalePeriod) -> Coupon {
    Coupon {
        id: CouponId::parse("drop").unwrap(),
        terms: Terms::new("A coupon", "", "").unwrap(),
        inventory: Inventory::new(total).unwrap(),
        window,
        valid_until: None,
        lifecycle: Lifecycle::Active,
        salt: CodeSalt::from_bytes([7; 32]),
        created_at: Timestamp::from_ms(0),
    }
}
