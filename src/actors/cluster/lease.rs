//! The right to do what only one node may do at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::ports::{Cluster, NodeId};

/// How soon it is asked for again after somebody else had it.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long the others may take to agree.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

/// One right of one node, asked for again before it ends.
///
/// It saves work and is no lock: a node that was frozen may think for a moment that it still has it. Whatever it is
/// needed for must do no harm when two do it.
#[derive(Clone)]
pub struct Lease {
    what: &'static str,
    cluster: Arc<dyn Cluster>,
    node: NodeId,
    /// How long it lasts once it was given: after this long another node does what a dead one did.
    period: Duration,
    /// Until when it needs not be asked for.
    sure_until: Option<Instant>,
    /// Until when somebody else is taken to have it.
    denied_until: Option<Instant>,
}

impl Lease {
    /// The right of `node` to do `what`, which it does not have yet.
    #[must_use]
    pub fn new(what: &'static str, period: Duration, cluster: Arc<dyn Cluster>, node: NodeId) -> Self {
        Self { what, cluster, node, period, sure_until: None, denied_until: None }
    }

    /// Whether this node has it now. Without an answer it has not.
    pub async fn is_held(&mut self) -> bool {
        let now = Instant::now();
        if self.sure_until.is_some_and(|until| now < until) {
            return true;
        }
        if self.denied_until.is_some_and(|until| now < until) {
            return false;
        }
        let asked = timeout(QUESTION_TIMEOUT, self.cluster.lease(self.what, &self.node, self.period)).await;
        let held = matches!(asked, Ok(Ok(true)));
        self.sure_until = held.then(|| now + self.period / 2);
        self.denied_until = (!held).then(|| now + ASK_AGAIN_AFTER);
        held
    }

    /// Gives it back, so that another node need not wait for its end.
    pub async fn give_back(&mut self) {
        if self.sure_until.take().is_some() {
            // Unheard, it ends by itself.
            let _unheard = timeout(QUESTION_TIMEOUT, self.cluster.release(self.what, &self.node)).await;
        }
    }
}
