//! Leads recoveries while this node holds the lease, and leaves them to another node if it cannot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::permits::Urgency;
use super::{LEASE_PERIOD, Open, Recoveries, RecoveryError, bounded};
use crate::actors::issuing::CouponHandle;
use crate::domain::CouponId;
use crate::ports::{OpenRecovery, Role};

/// Between two looks at the lease while this node leads.
const LEASE_POLL: Duration = Duration::from_millis(500);
/// A leader gives the lease back after so many failed attempts in a row on one coupon, over this time at least: a
/// service that is away for all nodes may be back sooner.
const FAILURES_MAX: u32 = 3;
const FAILING_FOR: Duration = LEASE_PERIOD;
/// Another node that can lead has taken the lease within this time.
const STAND_ASIDE: Duration = Duration::from_secs(2);

/// Failed attempts in a row to lead the recovery of one coupon.
#[derive(Clone, Copy)]
pub(super) struct Failures {
    count: u32,
    since: Instant,
}

impl Recoveries {
    /// Leads the recovery if this node holds the lease, or gets it. `Ok` once the recovery has ended.
    pub(super) async fn lead_with_lease(
        &self,
        handle: &Arc<CouponHandle>,
        open: Open,
    ) -> Result<(), RecoveryError> {
        let recovery = OpenRecovery { coupon: handle.id().clone(), round: open.round };
        match self.role_in(&recovery).await? {
            Role::Ended => return Ok(()),
            Role::Follower => {
                self.release_lease().await;
                return Err(RecoveryError::Waiting("a node on another Redis verifies the engine".to_owned()));
            }
            Role::Leader => {}
        }
        if !self.lease.lock().await.is_held().await {
            return Err(another_leads());
        }
        let permit = self.step_permits.acquire(Urgency::of(handle)).await;
        // The recovery may have ended during the wait.
        if self.role_in(&recovery).await? != Role::Leader {
            return Ok(());
        }
        // A task beside the work renews the lease, since a rebuild may take much longer than its period.
        let led = tokio::select! {
            led = self.lead(handle, &recovery, open.since, permit) => led,
            () = self.lease_lost() => Err(another_leads()),
        };
        self.count_failures(handle.id(), &led).await;
        led
    }

    /// The part of this node, which depends on the server that it is connected to.
    async fn role_in(&self, recovery: &OpenRecovery) -> Result<Role, RecoveryError> {
        let membership = &self.deps.membership;
        let server = bounded(self.deps.engine.server()).await?;
        Ok(bounded(membership.cluster().role(recovery, &server, membership.patience())).await?)
    }

    /// Renews the lease; returns once it has not been renewed for its period.
    async fn lease_lost(&self) {
        let mut held_at = Instant::now();
        while held_at.elapsed() < LEASE_PERIOD {
            tokio::time::sleep(LEASE_POLL).await;
            if self.lease.lock().await.is_held().await {
                held_at = Instant::now();
            }
        }
    }

    /// Gives the lease back after a few failures in a row: another node may reach the service that this one does not.
    async fn count_failures(&self, coupon: &CouponId, led: &Result<(), RecoveryError>) {
        // Every leader waits for the other nodes, and for an operator.
        let error = match led {
            Ok(()) | Err(RecoveryError::Waiting(_) | RecoveryError::Lost(_)) => {
                self.state.lock().failures.remove(coupon);
                return;
            }
            Err(error) => error,
        };
        {
            let mut state = self.state.lock();
            let failures = state
                .failures
                .entry(coupon.clone())
                .or_insert_with(|| Failures { count: 0, since: Instant::now() });
            failures.count += 1;
            if failures.count < FAILURES_MAX || failures.since.elapsed() < FAILING_FOR {
                return;
            }
            state.failures.remove(coupon);
        }
        let pause_s = STAND_ASIDE.as_secs();
        tracing::warn!(%coupon, %error, pause_s, "this node cannot lead the recovery: it gives the lease back, so that another node may");
        self.lease.lock().await.stand_aside(STAND_ASIDE).await;
    }
}

fn another_leads() -> RecoveryError {
    RecoveryError::Waiting("another node verifies the engine".to_owned())
}
