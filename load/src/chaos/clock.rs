//! The one clock of a run: every entry of the history is in microseconds since its start.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that only goes forward, and knows what a calendar said when it was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at_ms: u64,
}

impl Clock {
    /// Starts now.
    #[must_use]
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_at_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self { started: Instant::now(), started_at_ms }
    }

    /// Microseconds since the start.
    #[must_use]
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970 at the start.
    #[must_use]
    pub(super) fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }
}
