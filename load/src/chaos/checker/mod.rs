//! The checker: finds violated invariants in the history of a run and the data at its end. It makes no calls and reads
//! no clock, so that tests can give it histories written by hand.

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

/// Tolerance between the engine's times and the history's: they are read at different moments and truncated to
/// milliseconds.
pub(super) const CLOCK_SLACK_MS: u64 = 5;

/// One issuance in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub coupon: String,
    pub sequence: u32,
    pub member: String,
    pub code: String,
    /// Time by the engine's clock, in milliseconds since 1970.
    pub issued_at_ms: u64,
}

/// The data that the checker judges.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The history: every request with its outcome.
    pub ops: Vec<Op>,
    /// Start of the history in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Largest step of the system clock during the run, in milliseconds. The checker tolerates time differences up to
    /// it.
    pub clock_step_ms: u64,
    pub rows: Vec<Row>,
    /// The quarantine: coupon, sequence and member of each conflict.
    pub conflicts: Vec<(String, u32, String)>,
    /// The payloads of all dead letters; copies count once.
    pub dead_letters: Vec<String>,
    /// The conflicts that the run itself published, as in `conflicts`.
    pub planted_conflicts: Vec<(String, u32, String)>,
    /// The payloads of the unreadable messages that the run itself published.
    pub planted_poison: Vec<String>,
    /// Begin and end of every fault, in microseconds since the start.
    pub faults_us: Vec<(u64, u64)>,
}

/// A violated invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Name of the invariant.
    pub promise: &'static str,
    /// The observation, with coupon, member and node.
    pub what: String,
}

impl Violation {
    pub(super) fn new(promise: &'static str, what: String) -> Self {
        Self { promise, what }
    }
}

/// The result of the checker.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judgement {
    pub violations: Vec<Violation>,
    /// Answers for sold-out coupons during faults.
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

/// The evidence with indexes for the checks.
struct Book<'a> {
    evidence: &'a Evidence,
    totals: Totals<'a>,
    /// The row of each coupon and member; of several the first.
    row_of: HashMap<(&'a str, &'a str), &'a Row>,
    /// Times of each coupon's rows, sorted.
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

    /// Tolerance between the history's clock and the engine's.
    fn slack_ms(&self) -> u64 {
        CLOCK_SLACK_MS + self.evidence.clock_step_ms
    }

    /// A time of the history in milliseconds since 1970.
    fn at_ms(&self, at_us: u64) -> u64 {
        self.evidence.started_at_ms + at_us / 1_000
    }

    /// Every issued answer: request, whether it was newly issued, sequence and code.
    fn issued(&self) -> impl Iterator<Item = (&'a Op, bool, u32, &'a str)> {
        self.evidence.ops.iter().filter_map(|op| match &op.outcome {
            Outcome::Issued { newly, sequence, code } => Some((op, *newly, *sequence, &**code)),
            _ => None,
        })
    }
}

/// Describes a request at the beginning of a sentence.
fn name(op: &Op) -> String {
    format!(
        "#{} member {} of {} on node {} ({:.3} s to {:.3} s)",
        op.id,
        op.member,
        op.coupon,
        op.node,
        op.sent_us as f64 / 1e6,
        op.answered_us as f64 / 1e6
    )
}
