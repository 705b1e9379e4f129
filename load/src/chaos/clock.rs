//! The one clock of a run: every entry of the history is in microseconds since its start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that only goes forward, and knows what a calendar said when it was started. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at_ms: u64,
    strayed_ms: Arc<AtomicU64>,
}

impl Clock {
    /// Starts now.
    #[must_use]
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), started_at_ms: calendar_ms(), strayed_ms: Arc::default() }
    }

    /// Microseconds since the start.
    #[must_use]
    pub(super) fn now_us(&self) -> u64 {
        let now_us = self.elapsed_us();
        let calendar_ms = calendar_ms();
        // Whatever is between the two questions is no straying, however long this thread had to rest there.
        let (from_ms, to_ms) = (now_us / 1_000, self.elapsed_us().div_ceil(1_000));
        let nearest_ms =
            calendar_ms.clamp(self.started_at_ms + from_ms, self.started_at_ms.saturating_add(to_ms) + 1);
        self.strayed_ms.fetch_max(calendar_ms.abs_diff(nearest_ms), Ordering::Relaxed);
        now_us
    }

    /// Milliseconds since 1970 at the start.
    #[must_use]
    pub(super) fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// By how many milliseconds the calendar, which the services go by, has been off at most: somebody set it meanwhile.
    #[must_use]
    pub(super) fn strayed_ms(&self) -> u64 {
        self.strayed_ms.load(Ordering::Relaxed)
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

fn calendar_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Clock, calendar_ms};

    #[test]
    fn a_calendar_that_is_left_alone_does_not_stray_and_one_that_is_set_does() {
        let clock = Clock::start();
        for _ in 0..1_000 {
            assert!(clock.now_us() <= clock.now_us());
        }
        // A step of a real one meanwhile would be seen here too.
        assert!(clock.strayed_ms() <= 1, "{clock:?}");
        let set = Clock { started_at_ms: calendar_ms() - 300, ..clock };
        assert!(set.now_us() <= set.now_us());
        assert!((250..=300).contains(&set.strayed_ms()), "{set:?}");
    }
}
