//! The clock of a run: the history's times are microseconds since its start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock that also records steps of the system clock. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at_ms: u64,
    clock_step_ms: Arc<AtomicU64>,
}

impl Clock {
    #[must_use]
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), started_at_ms: calendar_ms(), clock_step_ms: Arc::default() }
    }

    /// Microseconds since the start.
    #[must_use]
    pub(super) fn now_us(&self) -> u64 {
        let now_us = self.elapsed_us();
        let calendar_ms = calendar_ms();
        // The system clock was read between two reads of this one: any value in between is no step.
        let (from_ms, to_ms) = (now_us / 1_000, self.elapsed_us().div_ceil(1_000));
        let nearest_ms =
            calendar_ms.clamp(self.started_at_ms + from_ms, self.started_at_ms.saturating_add(to_ms) + 1);
        self.clock_step_ms.fetch_max(calendar_ms.abs_diff(nearest_ms), Ordering::Relaxed);
        now_us
    }

    /// Milliseconds since 1970 at the start.
    #[must_use]
    pub(super) fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// Largest deviation of the system clock, which the services use, in milliseconds: it was set during the run.
    #[must_use]
    pub(super) fn clock_step_ms(&self) -> u64 {
        self.clock_step_ms.load(Ordering::Relaxed)
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
    fn a_step_of_the_system_clock_is_measured() {
        let clock = Clock::start();
        for _ in 0..1_000 {
            assert!(clock.now_us() <= clock.now_us());
        }
        // A real step of the system clock during this test would fail it.
        assert!(clock.clock_step_ms() <= 1, "{clock:?}");
        let set = Clock { started_at_ms: calendar_ms() - 300, ..clock };
        assert!(set.now_us() <= set.now_us());
        assert!((250..=300).contains(&set.clock_step_ms()), "{set:?}");
    }
}
