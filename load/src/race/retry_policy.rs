//! The number of requests in a click, and the delays between them.

use std::time::Duration;

/// A request that was shed and one whose outcome is unknown are both sent again.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The largest number of requests in a click.
    pub attempts: u32,
    /// The longest delay that a server can impose, so that the race ends.
    pub retry_after_cap: Duration,
    /// The first delay if the server sent no `Retry-After`. It doubles with every attempt.
    pub backoff: Duration,
    pub backoff_cap: Duration,
}

impl Default for RetryPolicy {
    /// About a minute and a half in all, enough to outlast the restart of a node, a broker or a database.
    fn default() -> Self {
        Self {
            attempts: 60,
            retry_after_cap: Duration::from_secs(2),
            backoff: Duration::from_millis(50),
            backoff_cap: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// The delay after attempt number `attempt` (from 1). `random` spreads clients that were refused
    /// together.
    pub(super) fn delay(&self, attempt: u32, retry_after: Option<Duration>, random: u64) -> Duration {
        match retry_after {
            // The server's delay is a lower bound, so the spread is added to it.
            Some(requested) => {
                let least = requested.min(self.retry_after_cap);
                least + part(least.max(self.backoff) / 4, random)
            }
            None => {
                let doubled = self.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16));
                let most = doubled.min(self.backoff_cap);
                most / 2 + part(most / 2, random)
            }
        }
    }
}

/// A random fraction of `whole`.
fn part(whole: Duration, random: u64) -> Duration {
    whole.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_delay_is_at_least_the_servers_up_to_the_cap() {
        let retry = RetryPolicy::default();
        let mut rng = Rng::new(1);
        for _ in 0..1_000 {
            let delay = retry.delay(1, Some(Duration::from_secs(1)), rng.next_u64());
            assert!((1_000..=1_250).contains(&delay.as_millis()), "{delay:?}");
            let capped = retry.delay(1, Some(Duration::from_secs(3_600)), rng.next_u64());
            assert!((2_000..=2_500).contains(&capped.as_millis()), "{capped:?}");
        }
    }

    #[test]
    fn without_retry_after_the_delay_grows_up_to_its_cap() {
        let retry = RetryPolicy::default();
        let mut rng = Rng::new(2);
        for attempt in 1..200 {
            let delay = retry.delay(attempt, None, rng.next_u64());
            assert!(delay >= retry.backoff / 2 && delay <= retry.backoff_cap, "{attempt}: {delay:?}");
        }
        assert!(retry.delay(10, None, 0) >= Duration::from_secs(1));
    }
}
