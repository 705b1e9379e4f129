//! How long it takes until every node serves again: each issues a coupon to a new member, and says that it is ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::Asking;
use super::crowd::Crowd;
use super::history::{Call, Outcome};
use super::metrics;
use super::operator::STEWARD;

const POLL: Duration = Duration::from_millis(50);
/// When waiting for a recovery is given up.
const BOUND: Duration = Duration::from_secs(60);
/// The coupon that is kept open for this.
const COUPON: &str = "probe";

/// Asks for the run itself.
pub(super) struct Probe {
    crowd: Arc<Crowd>,
    asking: Asking,
    members: u64,
}

impl Probe {
    pub(super) fn new(crowd: Arc<Crowd>) -> Self {
        Self { asking: crowd.asking(STEWARD), crowd, members: 0 }
    }

    /// Waits until all nodes serve; how long that took, or `None` if it takes too long.
    pub(super) async fn until_all_serve(&mut self) -> Option<Duration> {
        let begun = Instant::now();
        let mut node = 0;
        while node < self.crowd.targets.len() {
            if begun.elapsed() >= BOUND {
                return None;
            }
            if self.serves(node).await {
                node += 1;
            } else {
                tokio::time::sleep(POLL).await;
            }
        }
        Some(begun.elapsed())
    }

    async fn serves(&mut self, node: usize) -> bool {
        self.members += 1;
        let member = format!("probe-{}", self.members).into();
        let (outcome, _) = self.asking.ask(node, Call::Issue, &COUPON.into(), &member).await;
        matches!(outcome, Outcome::Told { .. })
            && metrics::get(&self.crowd.targets[node], "/readyz").await.is_some()
    }
}
