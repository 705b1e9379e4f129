//! What was counted. Each thread has its own, and they are added up at the end.

use std::time::Duration;

use serde::Serialize;

use super::plan::{Arrivals, Plan};
use crate::latency::Latency;

/// How finely what happened over time is kept, for loads that last no longer than [`SLICES_MAX`] of these.
const FINE: Duration = Duration::from_millis(100);
/// The most slices that are kept: longer loads have longer slices.
const SLICES_MAX: u32 = 600;

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A coupon was issued by this request.
    Issued,
    /// The member held it already.
    Repeated,
    /// There is none left.
    SoldOut,
    /// Another true no: not open yet, or closed.
    Rejected,
    /// Come back later; nothing was decided.
    Shed,
    /// No answer, or none that says what was decided.
    Unknown,
    /// An answer that the contract does not know.
    Unexpected,
}

/// How many requests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// A coupon was issued by the request.
    pub issued: u64,
    /// The member held it already.
    pub repeated: u64,
    /// There was none left.
    pub sold_out: u64,
    /// Not open yet, or closed.
    pub refused: u64,
    /// Asked to come back later.
    pub shed: u64,
    /// Without an answer.
    pub unknown: u64,
    /// Answers that the contract does not know.
    pub unexpected: u64,
}

/// What happened in one piece of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// True answers.
    pub answered: u64,
    /// Those of them that issued a coupon.
    pub issued: u64,
    /// Shed, unknown or unexpected.
    pub errors: u64,
}

/// What came back from a load.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Everything, whether or not it was measured.
    pub all: Counts,
    /// What ended in the part that is measured.
    pub measured: Counts,
    /// How long the measured requests took, from when the member meant to ask.
    pub latency: Latency,
    /// What happened over time, from the beginning, warming up included.
    pub slices: Vec<Slice>,
    /// How long each slice is.
    pub slice: Duration,
    /// How long the measured part was.
    pub ran: Duration,
    /// When the last request ended, from the beginning.
    pub last: Duration,
    begins: Duration,
    ends: Option<Duration>,
}

impl Counts {
    pub(super) fn add(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Issued => &mut self.issued,
            Outcome::Repeated => &mut self.repeated,
            Outcome::SoldOut => &mut self.sold_out,
            Outcome::Rejected => &mut self.refused,
            Outcome::Shed => &mut self.shed,
            Outcome::Unknown => &mut self.unknown,
            Outcome::Unexpected => &mut self.unexpected,
        };
        *place += 1;
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        self.issued += other.issued;
        self.repeated += other.repeated;
        self.sold_out += other.sold_out;
        self.refused += other.refused;
        self.shed += other.shed;
        self.unknown += other.unknown;
        self.unexpected += other.unexpected;
    }

    /// Requests that were told what is so.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.issued + self.repeated + self.sold_out + self.refused
    }

    /// Requests that were not.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.shed + self.unknown + self.unexpected
    }

    /// All of them.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.answered() + self.errors()
    }
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Self {
        let (begins, ends) = plan.measured();
        let coarse = ends.map_or(FINE, |ends| ends / SLICES_MAX);
        let slice = if matches!(plan.arrivals, Arrivals::Once { .. }) { FINE / 10 } else { coarse.max(FINE) };
        Self {
            all: Counts::default(),
            measured: Counts::default(),
            latency: Latency::default(),
            slices: Vec::new(),
            slice,
            ran: Duration::ZERO,
            last: Duration::ZERO,
            begins,
            ends,
        }
    }

    /// A request ended `at` after the beginning, having taken so long.
    pub(super) fn note(&mut self, at: Duration, took: Duration, outcome: Outcome) {
        self.all.add(outcome);
        self.last = self.last.max(at);
        if at >= self.begins && self.ends.is_none_or(|ends| at < ends) {
            self.measured.add(outcome);
            self.latency.record(took);
        } else if at >= self.begins {
            // Who was still waiting at the end of an open loop has waited all the same.
            self.latency.record(took);
        }
        let index = (at.as_micros() / self.slice.as_micros().max(1)) as usize;
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
        self.last = self.last.max(other.last);
        if self.slices.len() < other.slices.len() {
            self.slices.resize(other.slices.len(), Slice::default());
        }
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.answered += theirs.answered;
            mine.issued += theirs.issued;
            mine.errors += theirs.errors;
        }
    }

    /// True answers a second, in the measured part.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.measured.answered() as f64 / self.ran.as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn tally(warm_up_s: u64, lasts_s: u64) -> Tally {
        let target = Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
        let arrivals = Arrivals::Closed { lasts: Duration::from_secs(lasts_s) };
        let mut plan = Plan::new(target, "c", arrivals);
        plan.warm_up = Duration::from_secs(warm_up_s);
        Tally::new(&plan)
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_the_measured_part_is_measured_but_all_is_counted() {
        let mut tally = tally(1, 2);
        tally.note(ms(999), ms(50), Outcome::Issued);
        tally.note(ms(1_000), ms(2), Outcome::Issued);
        tally.note(ms(2_999), ms(4), Outcome::SoldOut);
        tally.note(ms(3_000), ms(6), Outcome::Shed);
        assert_eq!((tally.all.requests(), tally.measured.requests()), (4, 2));
        assert_eq!((tally.all.answered(), tally.all.errors()), (3, 1));
        tally.ran = Duration::from_secs(2);
        assert!((tally.per_second() - 1.0).abs() < 1e-9);
        assert!(tally.latency.ms().max < 7.0, "warming up must not show");
        assert_eq!(tally.latency.count(), 3, "who waits beyond the end has waited");
    }

    #[test]
    fn slices_hold_what_ended_in_them_and_add_up() {
        let (mut one, mut other) = (tally(0, 1), tally(0, 1));
        one.note(ms(10), ms(1), Outcome::Issued);
        one.note(ms(99), ms(1), Outcome::Unknown);
        other.note(ms(350), ms(1), Outcome::SoldOut);
        one.merge(&other);
        let none = Slice::default();
        let first = Slice { answered: 1, issued: 1, errors: 1 };
        assert_eq!(one.slices, [first, none, none, Slice { answered: 1, issued: 0, errors: 0 }]);
        assert_eq!(one.last, ms(350));
    }

    #[test]
    fn a_long_load_keeps_no_more_slices_than_a_short_one() {
        let mut tally = tally(0, 86_400);
        tally.note(Duration::from_secs(86_399), ms(1), Outcome::Issued);
        assert_eq!(tally.slices.len(), SLICES_MAX as usize);
    }
}
