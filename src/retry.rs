//! Every retry policy of the service. The crate `backoff` is named nowhere else, so that replacing it means replacing
//! this file.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Waits that grow from try to try, with jitter so that nodes do not come back in step.
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
            // Who gives up decides by its own deadline; the policy itself never ends.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// For getting a lost connection back: soon at first, then every two seconds.
    #[must_use]
    pub fn reconnect() -> Self {
        Self::new(50, 2_000)
    }

    /// For a batch that the database could not take.
    #[must_use]
    pub fn database() -> Self {
        Self::new(50, 2_000)
    }

    /// For a step that another node was before: soon, because that step is over by then.
    #[must_use]
    pub fn turn() -> Self {
        Self::new(1, 50)
    }

    /// For a lock that another node has: it is given back within milliseconds.
    #[must_use]
    pub fn lock() -> Self {
        Self::new(1, 5)
    }

    /// For an actor that died: at once the first time, then ever more slowly.
    #[must_use]
    pub fn restart() -> Self {
        Self::new(10, 5_000)
    }

    /// How long to wait before the next try.
    pub fn wait(&mut self) -> Duration {
        let longest = self.0.max_interval;
        self.0.next_backoff().unwrap_or(longest)
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::Retry;

    #[test]
    fn waits_grow_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut retry = Retry::reconnect();
        let first = retry.wait();
        let later: Vec<_> = (0..50).map(|_| retry.wait()).collect();
        assert!(later.iter().all(|wait| wait.as_millis() <= 2_600));
        assert!(later.last().unwrap() > &first);
        retry.reset();
        assert!(retry.wait().as_millis() <= 65);
    }
}
