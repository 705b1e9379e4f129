//! A lease on a task that only one node should do at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::runtime::deadline::bounded;
use crate::ports::{Cluster, NodeId};

/// The pause after a refusal, so that a node without the lease does not ask in every round.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// One node's lease, renewed after half its period.
///
/// It saves work and is no lock: a node that was frozen may believe for a moment that it still holds the lease. The task
/// must do no harm when two nodes do it.
#[derive(Clone)]
pub struct Lease {
    task: &'static str,
    cluster: Arc<dyn Cluster>,
    node: NodeId,
    /// Bounds how long a task rests after its node died.
    period: Duration,
    /// No renewal is needed until then.
    renew_at: Option<Instant>,
    /// After a refusal, or no answer.
    retry_at: Option<Instant>,
}

impl Lease {
    /// A lease that `node` does not hold yet.
    #[must_use]
    pub fn new(task: &'static str, period: Duration, cluster: Arc<dyn Cluster>, node: NodeId) -> Self {
        Self { task, cluster, node, period, renew_at: None, retry_at: None }
    }

    /// Takes or renews the lease where that is due. No answer means that it is not held.
    pub async fn is_held(&mut self) -> bool {
        let now = Instant::now();
        if self.renew_at.is_some_and(|at| now < at) {
            return true;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        let lease = bounded(self.cluster.lease(self.task, &self.node, self.period)).await;
        let held = lease.unwrap_or(false);
        self.renew_at = held.then(|| now + self.period / 2);
        self.retry_at = (!held).then(|| now + RETRY_AFTER);
        held
    }

    /// Gives the lease back, so that another node can take it at once.
    pub async fn release(&mut self) {
        if self.renew_at.take().is_some() {
            // After a failure it ends by itself.
            let _released = bounded(self.cluster.release(self.task, &self.node)).await;
        }
    }
}
