//! A lease on a task that only one node should do at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Membership;
use crate::actors::runtime::deadline::bounded;

/// The pause after a refusal, so that a node without the lease does not ask in every round.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// One node's lease, renewed after half its period. A single node always holds it.
///
/// It saves work and is no lock: a node that was frozen may believe for a moment that it still holds the lease. The
/// task must do no harm when two nodes do it.
#[derive(Clone)]
pub struct Lease {
    task: &'static str,
    /// Absent on a single node.
    membership: Option<Arc<Membership>>,
    /// Bounds how long a task rests after its node died.
    period: Duration,
    /// No renewal is needed until then.
    renew_at: Option<Instant>,
    /// After a refusal, or no answer.
    retry_at: Option<Instant>,
}

impl Lease {
    /// A lease that this node does not hold yet.
    #[must_use]
    pub fn new(task: &'static str, period: Duration, membership: Option<Arc<Membership>>) -> Self {
        Self { task, membership, period, renew_at: None, retry_at: None }
    }

    /// Takes or renews the lease where that is due. No answer means that it is not held.
    pub async fn is_held(&mut self) -> bool {
        let Some(membership) = &self.membership else { return true };
        let now = Instant::now();
        if self.renew_at.is_some_and(|at| now < at) {
            return true;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        let lease = membership.cluster().lease(self.task, membership.node(), self.period);
        let held = bounded(lease).await.unwrap_or(false);
        self.renew_at = held.then(|| now + self.period / 2);
        self.retry_at = (!held).then(|| now + RETRY_AFTER);
        held
    }

    /// Gives the lease back, so that another node can take it at once.
    pub async fn release(&mut self) {
        if self.renew_at.take().is_some()
            && let Some(membership) = &self.membership
        {
            // After a failure it ends by itself.
            let _released = bounded(membership.cluster().release(self.task, membership.node())).await;
        }
    }
}
