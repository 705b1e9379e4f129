//! Counts of a load. Each thread has its own, and they are added up at the end.

use std::time::Duration;

use serde::Serialize;

use super::plan::{Arrivals, Plan};
use crate::latency::Latency;

/// The length of a slice of time, unless the load would have more than [`SLICES_MAX`] of them.
const SHORTEST_SLICE: Duration = Duration::from_millis(100);
const SLICES_MAX: u32 = 600;

/// The outcome of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Issued,
    /// The member already held the coupon.
    Repeated,
    SoldOut,
    /// Another rejection: not open yet, or closed.
    Rejected,
    /// Refused for want of capacity; nothing was decided.
    Shed,
    /// No answer, or one that does not say what was decided.
    Unknown,
    /// An answer that the contract does not define.
    Unexpected,
}

/// The number of requests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub issued: u64,
    pub repeated: u64,
    pub sold_out: u64,
    pub refused: u64,
    pub shed: u64,
    pub unknown: u64,
    pub unexpected: u64,
}

/// The requests that ended within one slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// Issued, repeated or rejected.
    pub answered: u64,
    pub issued: u64,
    /// Shed, unknown or unexpected.
    pub errors: u64,
}

#[derive(Clone, Debug)]
pub struct Tally {
    /// Includes requests outside of the measured period.
    pub all: Counts,
    pub measured: Counts,
    /// Of measured requests, from the time at which they were due.
    pub latency: Latency,
    /// From the beginning, warm-up included.
    pub slices: Vec<Slice>,
    pub slice_duration: Duration,
    pub measured_duration: Duration,
    /// From the beginning of the load.
    pub last_ended_at: Duration,
    measured_from: Duration,
    measured_until: Option<Duration>,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Issued => &mut self.issued,
            Outcome::Repeated => &mut self.repeated,
            Outcome::SoldOut => &mut self.sold_out,
            Outcome::Rejected => &mut self.refused,
            Outcome::Shed => &mut self.shed,
            Outcome::Unknown => &mut self.unknown,
            Outcome::Unexpected => &mut self.unexpected,
        };
        *counter += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        self.issued += other.issued;
        self.repeated += other.repeated;
        self.sold_out += other.sold_out;
        self.refused += other.refused;
        self.shed += other.shed;
        self.unknown += other.unknown;
        self.unexpected += other.unexpected;
    }

    /// Requests with a verdict: issued, repeated or rejected.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.issued + self.repeated + self.sold_out + self.refused
    }

    /// Requests without a verdict.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.shed + self.unknown + self.unexpected
    }

    #[must_use]
    pub fn requests(&self) -> u64 {
        self.answered() + self.errors()
    }
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Self {
        let (measured_from, measured_until) = plan.measured_period();
        let coarse = measured_until.map_or(SHORTEST_SLICE, |measured_until| measured_until / SLICES_MAX);
        let slice_duration = if matches!(plan.arrivals, Arrivals::AtOnce { .. }) {
            SHORTEST_SLICE / 10
        } else {
            coarse.max(SHORTEST_SLICE)
        };
        Self {
            all: Counts::default(),
            measured: Counts::default(),
            latency: Latency::default(),
            slices: Vec::new(),
            slice_duration,
            measured_duration: Duration::ZERO,
            last_ended_at: Duration::ZERO,
            measured_from,
            measured_until,
        }
    }

    /// Counts a request that ended at `at`, from the beginning of the load.
    pub(super) fn record(&mut self, at: Duration, took: Duration, outcome: Outcome) {
        self.all.add(outcome);
        self.last_ended_at = self.last_ended_at.max(at);
        if at >= self.measured_from && self.measured_until.is_none_or(|measured_until| at < measured_until) {
            self.measured.add(outcome);
            self.latency.record(took);
        } else if at >= self.measured_from {
            // A request that ends after an open loop has waited all the same.
            self.latency.record(took);
        }
        let index = (at.as_micros() / self.slice_duration.as_micros().max(1)) as usize;
        let index = index.min(2 * SLICES_MAX as usize);
        if self.slices.len() <= index {
            self.slices.resize(index + 1, Slice::default());
        }
        let slice = &mut self.slices[index];
        match outcome {
            Outcome::Shed | Outcome::Unknown | Outcome::Unexpected => slice.errors += 1,
            _ => slice.answered += 1,
        }
        slice.issued += u64::from(outcome == Outcome::Issued);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.all.merge(&other.all);
        self.measured.merge(&other.measured);
        self.latency.merge(&other.latency);
        self.last_ended_at = self.last_ended_at.max(other.last_ended_at);
        if self.slices.len() < other.slices.len() {
            self.slices.resize(other.slices.len(), Slice::default());
        }
        for (slice, added) in self.slices.iter_mut().zip(&other.slices) {
            slice.answered += added.answered;
            slice.issued += added.issued;
            slice.errors += added.errors;
        }
    }

    /// Verdicts a second, in the measured period.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.measured.answered() as f64 / self.measured_duration.as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn tally(warm_up_s: u64, lasts_s: u64) -> Tally {
        let target = Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
        let arrivals = Arrivals::Closed { duration: Duration::from_secs(lasts_s) };
        let mut plan = Plan::new(target, "c", arrivals);
        plan.warm_up = Duration::from_secs(warm_up_s);
        Tally::new(&plan)
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn all_requests_are_counted_but_only_the_measured_period_is_measured() {
        let mut tally = tally(1, 2);
        tally.record(ms(999), ms(50), Outcome::Issued);
        tally.record(ms(1_000), ms(2), Outcome::Issued);
        tally.record(ms(2_999), ms(4), Outcome::SoldOut);
        tally.record(ms(3_000), ms(6), Outcome::Shed);
        assert_eq!((tally.all.requests(), tally.measured.requests()), (4, 2));
        assert_eq!((tally.all.answered(), tally.all.errors()), (3, 1));
        tally.measured_duration = Duration::from_secs(2);
        assert!((tally.per_second() - 1.0).abs() < 1e-9);
        assert!(tally.latency.ms().max < 7.0, "warming up must not show");
        assert_eq!(
            tally.latency.count(),
            3,
            "a request that ends after the measured period counts as latency"
        );
    }

    #[test]
    fn slices_count_the_requests_that_ended_in_them_and_add_up() {
        let mut one = tally(0, 1);
        let mut other = tally(0, 1);
        one.record(ms(10), ms(1), Outcome::Issued);
        one.record(ms(99), ms(1), Outcome::Unknown);
        other.record(ms(350), ms(1), Outcome::SoldOut);
        one.merge(&other);
        let none = Slice::default();
        let first = Slice { answered: 1, issued: 1, errors: 1 };
        assert_eq!(one.slices, [first, none, none, Slice { answered: 1, issued: 0, errors: 0 }]);
        assert_eq!(one.last_ended_at, ms(350));
    }

    #[test]
    fn a_long_load_keeps_no_more_slices_than_a_short_one() {
        let mut tally = tally(0, 86_400);
        tally.record(Duration::from_secs(86_399), ms(1), Outcome::Issued);
        assert_eq!(tally.slices.len(), SLICES_MAX as usize);
    }
}
