//! The checker: takes the history of a run and what is left at its end, and says which promises were broken. It asks
//! nobody and knows no clock, so that a history made by hand can be judged like a real one.

mod answers;
mod explained;
mod liveness;
mod order;
mod refusals;
mod rows;
mod totals;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;

pub use self::liveness::Liveness;
use self::totals::Totals;
use super::history::{Op, Outcome};

/// The clocks of the engine and of this run are one, but read at different moments and cut to milliseconds.
pub(super) const CLOCK_SLACK_MS: u64 = 5;

/// One issuance as the database holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which coupon.
    pub coupon: String,
    /// Its place in the order, from 1.
    pub sequence: u32,
    /// Whose.
    pub member: String,
    /// What they redeem.
    pub code: String,
    /// When the engine issued it, in milliseconds since 1970.
    pub issued_at_ms: u64,
}

/// What a run brings before its judge.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Everything that was asked and answered.
    pub ops: Vec<Op>,
    /// Milliseconds since 1970 when the history begins.
    pub started_at_ms: u64,
    /// By how many milliseconds the calendar was set meanwhile. What hangs on less is left open.
    pub strayed_ms: u64,
    /// Every row of the database.
    pub rows: Vec<Row>,
    /// What the database keeps in quarantine: coupon, sequence and member of what arrived.
    pub conflicts: Vec<(String, u32, String)>,
    /// The texts of all dead letters; copies of one are the same letter.
    pub dead_letters: Vec<String>,
    /// What the run itself put on the queue to contradict rows, as in `conflicts`.
    pub planted_conflicts: Vec<(String, u32, String)>,
    /// The texts of the messages that the run put on the queue and nobody can read.
    pub planted_poison: Vec<String>,
    /// When something was broken, from and to, in microseconds since the start.
    pub faults_us: Vec<(u64, u64)>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The promise, by a name that does not change.
    pub promise: &'static str,
    /// What happened, with the names of all that took part.
    pub what: String,
}

impl Violation {
    pub(super) fn new(promise: &'static str, what: String) -> Self {
        Self { promise, what }
    }
}

/// What the checker says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judgement {
    /// Empty if every promise was kept.
    pub violations: Vec<Violation>,
    /// What members heard of sold-out coupons while something was broken.
    pub sold_out_during_faults: Liveness,
}

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let book = Book::new(evidence);
    let mut violations = rows::check(&book);
    violations.extend(answers::check(&book));
    violations.extend(order::check(&book));
    violations.extend(refusals::check(&book));
    violations.extend(explained::check(&book));
    Judgement { violations, sold_out_during_faults: liveness::count(&book) }
}

/// The evidence, with what every check looks things up in.
struct Book<'a> {
    evidence: &'a Evidence,
    totals: Totals<'a>,
    /// The row of each coupon and member. Where there are two, the first.
    row_of: HashMap<(&'a str, &'a str), &'a Row>,
    /// When each coupon's rows were issued, in order.
    issued_ms: HashMap<&'a str, Vec<u64>>,
}

impl<'a> Book<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut row_of = HashMap::new();
        let mut issued_ms: HashMap<&str, Vec<u64>> = HashMap::new();
        for row in &evidence.rows {
            row_of.entry((row.coupon.as_str(), row.member.as_str())).or_insert(row);
            issued_ms.entry(&row.coupon).or_default().push(row.issued_at_ms);
        }
        issued_ms.values_mut().for_each(|times| times.sort_unstable());
        Self { evidence, totals: Totals::new(&evidence.ops), row_of, issued_ms }
    }

    /// How far apart two clocks may be that show the same moment, in milliseconds.
    fn slack_ms(&self) -> u64 {
        CLOCK_SLACK_MS + self.evidence.strayed_ms
    }

    /// A moment of the history by the calendar.
    fn at_ms(&self, at_us: u64) -> u64 {
        self.evidence.started_at_ms + at_us / 1_000
    }

    /// Each answer that told a member that they hold one: whether by this request, which sequence, which code.
    fn told(&self) -> impl Iterator<Item = (&'a Op, bool, u32, &'a str)> {
        self.evidence.ops.iter().filter_map(|op| match &op.outcome {
            Outcome::Told { newly, sequence, code } => Some((op, *newly, *sequence, &**code)),
            _ => None,
        })
    }
}

/// An entry as a sentence begins with it.
fn name(op: &Op) -> String {
    format!(
        "#{} member {} of {} on node {} ({:.3} s to {:.3} s)",
        op.id,
        op.member,
        op.coupon,
        op.node,
        op.asked_us as f64 / 1e6,
        op.answered_us as f64 / 1e6
    )
}
