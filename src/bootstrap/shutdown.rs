//! Waiting for the end of what is under way, but never for longer than was allowed.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When everything must be over.
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// Waits for `end`, and says so in the log if it does not come in time.
    pub(super) async fn wait_for(&self, what: &str, end: impl Future<Output = ()>) {
        if timeout_at(self.0, end).await.is_err() {
            tracing::warn!(
                what,
                "shutting down goes on without waiting any longer; nothing told is lost by that"
            );
        }
    }

    /// Waits until `done` says so.
    pub(super) async fn wait_until(&self, what: &str, done: impl Fn() -> bool) {
        self.wait_for(what, async {
            while !done() {
                sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }
}
