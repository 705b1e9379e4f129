//! Measures the time until every node serves again: it issues a coupon to a new member, and is ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clients::Clients;
use super::history::{Call, Outcome};
use super::metrics;
use super::operator::SCENARIO;
use super::requester::Requester;

const POLL: Duration = Duration::from_millis(50);
/// The coupon reserved for these requests.
const COUPON: &str = "probe";

/// Sends the requests of the measurement.
pub(super) struct Probe {
    clients: Arc<Clients>,
    requester: Requester,
    members: u64,
    /// Bound of one measurement.
    patience: Duration,
}

impl Probe {
    pub(super) fn new(clients: Arc<Clients>, patience: Duration) -> Self {
        Self { requester: clients.requester(SCENARIO), clients, members: 0, patience }
    }

    /// Waits until all nodes serve and returns the time; `None` if the bound is exceeded.
    pub(super) async fn until_all_serve(&mut self) -> Option<Duration> {
        let started = Instant::now();
        let mut node = 0;
        while node < self.clients.targets.len() {
            if started.elapsed() >= self.patience {
                return None;
            }
            if self.serves(node).await {
                node += 1;
            } else {
                tokio::time::sleep(POLL).await;
            }
        }
        Some(started.elapsed())
    }

    async fn serves(&mut self, node: usize) -> bool {
        self.members += 1;
        let member = format!("probe-{}", self.members).into();
        let (outcome, _) = self.requester.send(node, Call::Issue, &COUPON.into(), &member).await;
        matches!(outcome, Outcome::Issued { .. })
            && metrics::get(&self.clients.targets[node], "/readyz").await.is_some()
    }
}
