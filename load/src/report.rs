//! The result of a race for a program (JSON) and for a person (text).

use std::io;

use serde::Serialize;

use crate::{
    format::{human, thousands},
    issued_answers,
    latency::LatencyMs,
    race::RaceReport,
};

/// How many violations are listed by name. A race gone wrong has as many as it had members.
const VIOLATIONS_LISTED: usize = 20;

/// The figures of a race as they are written down.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The coupon that was raced for.
    pub coupon_id: String,
    /// How many members asked.
    pub members: u64,
    /// How many asked at the same time.
    pub clients: usize,
    /// How many different sequences members were told: as many as are issued, if nobody is kept in the dark.
    pub issued: u64,
    /// How many different members were told that they hold a coupon.
    pub distinct_members: u64,
    /// 201 answers.
    pub issued_first: u64,
    /// 200 answers: the same coupon again.
    pub repeated: u64,
    /// 409 sold_out answers.
    pub sold_out: u64,
    /// 409 not_open answers.
    pub not_open: u64,
    /// 409 closed answers.
    pub closed: u64,
    /// 429 and 503 answers, each asked again.
    pub shed: u64,
    /// Requests without an answer, each asked again.
    pub unknown: u64,
    /// Members who never got a true answer.
    pub gave_up: u64,
    /// Answers that the contract does not know.
    pub unexpected: u64,
    /// The first few of those.
    pub unexpected_examples: Vec<String>,
    /// HTTP requests sent.
    pub requests: u64,
    /// HTTP requests a second.
    pub requests_per_second: f64,
    /// From the first request to the last answer.
    pub duration_ms: u64,
    /// How long requests took.
    pub latency_ms: LatencyMs,
    /// The race was ended before all members had asked.
    pub stopped_early: bool,
}

impl From<&RaceReport> for Figures {
    fn from(race: &RaceReport) -> Self {
        let (distinct_members, issued) = issued_answers::count_distinct(&race.issued_answers);
        Self {
            coupon_id: race.coupon_id.clone(),
            members: race.members,
            clients: race.clients,
            issued,
            distinct_members,
            issued_first: race.issued_first,
            repeated: race.repeated,
            sold_out: race.sold_out,
            not_open: race.not_open,
            closed: race.closed,
            shed: race.shed,
            unknown: race.unknown,
            gave_up: race.gave_up,
            unexpected: race.unexpected,
            unexpected_examples: race.unexpected_examples.clone(),
            requests: race.requests,
            requests_per_second: race.requests_per_second().round(),
            duration_ms: u64::try_from(race.duration.as_millis()).unwrap_or(u64::MAX),
            latency_ms: race.latency.ms(),
            stopped_early: race.stopped_early,
        }
    }
}

/// Whether the promise held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "violations", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Holds,
    /// These do, each a sentence.
    Broken(Vec<String>),
}

impl Verdict {
    /// What the answers alone say, given the coupon's total where it is known.
    pub fn of(race: &RaceReport, total: Option<u32>) -> Self {
        let found = issued_answers::find_violations(&race.issued_answers, total);
        let mut violations: Vec<String> =
            found.iter().take(VIOLATIONS_LISTED).map(ToString::to_string).collect();
        if let Some(more) = found.len().checked_sub(VIOLATIONS_LISTED).filter(|&more| more > 0) {
            violations.push(format!("and {} more of these", thousands(more as u64)));
        }
        if race.gave_up > 0 {
            violations.push(format!("{} members never got a true answer", thousands(race.gave_up)));
        }
        if race.unexpected > 0 {
            let count = thousands(race.unexpected);
            violations.push(format!(
                "{count} unexpected answers, such as: {}",
                race.unexpected_examples.join("; ")
            ));
        }
        Self::from_violations(violations)
    }

    /// Holds if the list is empty.
    pub fn from_violations(violations: Vec<String>) -> Self {
        if violations.is_empty() { Self::Holds } else { Self::Broken(violations) }
    }

    /// Adds what else was found, for instance in the database.
    #[must_use]
    pub fn and(self, more: impl IntoIterator<Item = String>) -> Self {
        let mut violations = match self {
            Self::Holds => Vec::new(),
            Self::Broken(violations) => violations,
        };
        violations.extend(more);
        Self::from_violations(violations)
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        *self == Self::Holds
    }
}

/// What is written to a file: the figures, whatever the caller adds (`E` becomes fields of the same object), the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Report<E = ()> {
    /// The race in numbers.
    #[serde(flatten)]
    pub figures: Figures,
    /// What the caller knows besides, such as what the database holds.
    #[serde(flatten)]
    pub extra: E,
    /// Whether the promise held.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl<E: Serialize> Report<E> {
    /// Writes it as indented JSON, with a newline at the end.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

/// Writes a race for a person to read: what happened, how long it took, and a picture of that.
pub fn write_text(out: &mut impl io::Write, race: &RaceReport) -> io::Result<()> {
    let figures = Figures::from(race);
    let LatencyMs { p50, p90, p99, max, .. } = figures.latency_ms;
    let ms = |ms: f64| human(std::time::Duration::from_secs_f64(ms / 1e3));
    writeln!(
        out,
        "{} members asked for {}: {} requests in {}, {} a second",
        thousands(figures.members),
        figures.coupon_id,
        thousands(figures.requests),
        human(race.duration),
        thousands(figures.requests_per_second as u64)
    )?;
    if race.stopped_early {
        writeln!(out, "The race was ended early: not all members have asked.")?;
    }
    writeln!(out)?;
    for (label, count, always) in rows(&figures) {
        if always || count > 0 {
            writeln!(out, "{:>13}  {label}", thousands(count))?;
        }
    }
    writeln!(out, "\nlatency  p50 {}, p90 {}, p99 {}, max {}\n", ms(p50), ms(p90), ms(p99), ms(max))?;
    race.latency.draw(out)
}

/// Writes the verdict for a person to read.
pub fn write_verdict(out: &mut impl io::Write, verdict: &Verdict) -> io::Result<()> {
    match verdict {
        Verdict::Holds => writeln!(out, "The promise held."),
        Verdict::Broken(violations) => {
            writeln!(out, "The promise is broken:")?;
            violations.iter().try_for_each(|violation| writeln!(out, "  - {violation}"))
        }
    }
}

/// Each counter with its label, and whether it is of interest even when it is zero.
fn rows(figures: &Figures) -> [(&'static str, u64, bool); 9] {
    [
        ("coupons told to members", figures.issued, true),
        ("the same coupon again", figures.repeated, true),
        ("sold out", figures.sold_out, true),
        ("not open yet", figures.not_open, false),
        ("closed", figures.closed, false),
        ("asked to come back later", figures.shed, false),
        ("no answer, asked again", figures.unknown, false),
        ("members who never got an answer", figures.gave_up, false),
        ("unexpected answers", figures.unexpected, false),
    ]
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
