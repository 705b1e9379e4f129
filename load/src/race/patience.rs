//! How often a member asks again, and how long they wait in between.

use std::time::Duration;

/// The bounds of a member's patience. A request that was shed and one whose outcome is unknown are both asked again.
#[derive(Clone, Debug)]
pub struct Patience {
    /// How many requests a click may take.
    pub attempts: u32,
    /// The longest delay that a server may ask for: a race is to end.
    pub retry_after_cap: Duration,
    /// The first delay where the server named none. It doubles with every attempt.
    pub backoff: Duration,
    /// Where the doubling ends.
    pub backoff_cap: Duration,
}

impl Default for Patience {
    /// Enough to outlast the restart of a node, a broker or a database: about a minute and a half.
    fn default() -> Self {
        Self {
            attempts: 60,
            retry_after_cap: Duration::from_secs(2),
            backoff: Duration::from_millis(50),
            backoff_cap: Duration::from_secs(2),
        }
    }
}

impl Patience {
    /// How long to wait after attempt number `attempt` (from 1). `random` spreads those who were sent away together.
    pub(super) fn delay(&self, attempt: u32, retry_after: Option<Duration>, random: u64) -> Duration {
        match retry_after {
            // The server's word is the least, never undercut, so that the spread comes on top.
            Some(asked) => {
                let least = asked.min(self.retry_after_cap);
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

/// A part of `whole`, from none to all of it.
fn part(whole: Duration, random: u64) -> Duration {
    whole.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_servers_delay_is_never_undercut_below_the_cap() {
        let patience = Patience::default();
        let mut rng = Rng::new(1);
        for _ in 0..1_000 {
            let delay = patience.delay(1, Some(Duration::from_secs(1)), rng.next_u64());
            assert!((1_000..=1_250).contains(&delay.as_millis()), "{delay:?}");
            let capped = patience.delay(1, Some(Duration::from_secs(3_600)), rng.next_u64());
            assert!((2_000..=2_500).contains(&capped.as_millis()), "{capped:?}");
        }
    }

    #[test]
    fn without_one_the_delay_grows_up_to_its_cap() {
        let patience = Patience::default();
        let mut rng = Rng::new(2);
        for attempt in 1..200 {
            let delay = patience.delay(attempt, None, rng.next_u64());
            assert!(delay >= patience.backoff / 2 && delay <= patience.backoff_cap, "{attempt}: {delay:?}");
        }
        assert!(patience.delay(10, None, 0) >= Duration::from_secs(1));
    }
}
