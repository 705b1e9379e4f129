//! The waits of a shutdown, which share one deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Interval at which a condition is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The end of all waits of a shutdown.
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// Waits for `end`; logs a warning if the deadline passes first.
    pub(super) async fn wait_for(&self, what: &str, end: impl Future<Output = ()>) {
        if timeout_at(self.0, end).await.is_err() {
            tracing::warn!(
                what,
                "shutdown timeout passed: stopping without waiting for these; no answered issuance is lost"
            );
        }
    }

    pub(super) async fn wait_until(&self, what: &str, done: impl Fn() -> bool) {
        self.wait_for(what, async {
            while !done() {
                sleep(POLL_INTERVAL).await;
            }
        })
        .await;
    }
}
