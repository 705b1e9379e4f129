//! The retry policies of the service. No other file names the crate `backoff`, so it can be replaced here.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Waits that double from try to try, with jitter, so that nodes do not retry in step.
#[derive(Debug, Clone)]
pub struct Retry(ExponentialBackoff);

impl Retry {
    fn new(first_ms: u64, longest_ms: u64) -> Self {
        let initial = Duration::from_millis(first_ms);
        Self(ExponentialBackoff {
            current_interval: initial,
            initial_interval: initial,
            randomization_factor: 0.3,
            multiplier: 2.0,
            max_interval: Duration::from_millis(longest_ms),
            // The policy never ends; callers give up by their own deadlines.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// For a service that is down or does not answer.
    #[must_use]
    pub fn service() -> Self {
        Self::new(50, 2_000)
    }

    /// For an optimistic step that lost against another node: the other step ends within milliseconds.
    #[must_use]
    pub fn optimistic() -> Self {
        Self::new(1, 50)
    }

    /// For a lock that another node holds: it is released within milliseconds.
    #[must_use]
    pub fn lock() -> Self {
        Self::new(1, 5)
    }

    /// For an actor that died: at once the first time, then more and more slowly.
    #[must_use]
    pub fn restart() -> Self {
        Self::new(10, 5_000)
    }

    /// The wait before the next try.
    pub fn wait(&mut self) -> Duration {
        let longest = self.0.max_interval;
        self.0.next_backoff().unwrap_or(longest)
    }

    /// Returns to the shortest wait, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::Retry;

    #[test]
    fn waits_grow_up_to_a_bound_and_are_short_again_after_a_reset() {
        let mut retry = Retry::service();
        let first = retry.wait();
        let later: Vec<_> = (0..50).map(|_| retry.wait()).collect();
        assert!(later.iter().all(|wait| wait.as_millis() <= 2_600));
        assert!(later.last().unwrap() > &first);
        retry.reset();
        assert!(retry.wait().as_millis() <= 65);
    }
}
