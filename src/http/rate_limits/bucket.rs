//! Token buckets of one kind (by member or by address), on the crate `governor`.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::bucket_table::BucketTable;
use super::rates::Rate;

/// Upper bound of `Retry-After`, in seconds.
const WAIT_MAX_S: u64 = 3_600;

type Limiter = RateLimiter<u64, BucketTable, MonotonicClock, StateInformationMiddleware>;

#[derive(Debug)]
pub(super) struct Buckets {
    /// `member` or `address`, as in headers and metrics.
    pub(super) by: &'static str,
    limiter: Limiter,
}

impl Buckets {
    pub(super) fn new(by: &'static str, rate: Rate) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        // A rate has at most a million tokens a second, so that its period is not zero.
        let quota = Quota::with_period(rate.period.max(Duration::from_nanos(1)));
        let quota = quota.unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN)).allow_burst(burst);
        Self { by, limiter: RateLimiter::new(quota, BucketTable::default(), MonotonicClock) }
    }

    /// Takes a token and returns the number of tokens left, or the seconds until there is one.
    pub(super) fn take(&self, key: u64) -> Result<u32, u64> {
        match self.limiter.check_key(&key) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => {
                let wait = refused.wait_time_from(self.limiter.clock().now());
                Err((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).clamp(1, WAIT_MAX_S))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Duration, Rate};

    #[test]
    fn as_many_tokens_as_the_burst_and_then_a_wait() {
        let buckets = Buckets::new("member", Rate { period: Duration::from_secs(90), burst: 3 });
        assert_eq!([buckets.take(1), buckets.take(1), buckets.take(1)], [Ok(2), Ok(1), Ok(0)]);
        assert_eq!(buckets.take(1), Err(90));
        assert_eq!(buckets.take(2), Ok(2), "another key has its own bucket");
        let slow = Buckets::new("member", Rate { period: Duration::from_secs(36_000), burst: 1 });
        assert_eq!([slow.take(1), slow.take(1)], [Ok(0), Err(3_600)]);
    }

    #[test]
    fn a_refused_request_does_not_prolong_the_wait() {
        let buckets = Buckets::new("member", Rate { period: Duration::from_secs(900), burst: 1 });
        assert_eq!(buckets.take(1), Ok(0));
        for _ in 0..10 {
            let wait = buckets.take(1).unwrap_err();
            assert!(wait <= 900, "{wait}");
        }
    }

    #[test]
    fn tokens_come_back() {
        let buckets = Buckets::new("member", Rate { period: Duration::from_nanos(1_000), burst: 2 });
        for _ in 0..100 {
            let spin = std::time::Instant::now();
            while spin.elapsed() < Duration::from_micros(3) {}
            assert!(buckets.take(1).is_ok());
        }
    }
}
