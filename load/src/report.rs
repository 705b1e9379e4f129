//! The result of a race, as JSON for programs and as text for people.

use std::io;

use serde::Serialize;

use crate::{
    format::{human, thousands},
    issued_answers,
    latency::LatencyMs,
    race::RaceReport,
};

/// A failed race can have as many violations as members.
const VIOLATIONS_LISTED: usize = 20;

/// The results of a race, as they are serialized.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub coupon_id: String,
    pub members: u64,
    pub clients: usize,
    /// The number of distinct sequences in the answers.
    pub issued: u64,
    /// The number of distinct members with an issuance in the answers.
    pub distinct_members: u64,
    /// 201 answers.
    pub issued_first: u64,
    /// 200 answers: the same coupon again.
    pub repeated: u64,
    pub sold_out: u64,
    pub not_open: u64,
    pub closed: u64,
    /// 429 and 503 answers; each request was sent again.
    pub shed: u64,
    /// Requests without an answer; each was sent again.
    pub unknown: u64,
    /// Members that never got a verdict.
    pub gave_up: u64,
    /// Answers that the contract does not define.
    pub unexpected: u64,
    pub unexpected_examples: Vec<String>,
    pub requests: u64,
    pub requests_per_second: f64,
    /// From the first request to the last answer.
    pub duration_ms: u64,
    pub latency_ms: LatencyMs,
    /// The race ended before all members had made their requests.
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

/// Whether all invariants hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "violations", rename_all = "snake_case")]
pub enum Verdict {
    /// No violation was found.
    Holds,
    /// Each violation is a sentence.
    Broken(Vec<String>),
}

impl Verdict {
    /// Judges the answers alone; the range of sequences is checked only if the total is known.
    pub fn of(race: &RaceReport, total: Option<u32>) -> Self {
        let violations_found = issued_answers::find_violations(&race.issued_answers, total);
        let mut violations: Vec<String> =
            violations_found.iter().take(VIOLATIONS_LISTED).map(ToString::to_string).collect();
        if let Some(rest) = violations_found.len().checked_sub(VIOLATIONS_LISTED).filter(|&rest| rest > 0) {
            violations.push(format!("and {} more of these", thousands(rest as u64)));
        }
        if race.gave_up > 0 {
            violations.push(format!("{} members never got a verdict", thousands(race.gave_up)));
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

    pub fn from_violations(violations: Vec<String>) -> Self {
        if violations.is_empty() { Self::Holds } else { Self::Broken(violations) }
    }

    /// Adds violations that were found elsewhere, for instance in the database.
    #[must_use]
    pub fn and(self, rest: impl IntoIterator<Item = String>) -> Self {
        let mut violations = match self {
            Self::Holds => Vec::new(),
            Self::Broken(violations) => violations,
        };
        violations.extend(rest);
        Self::from_violations(violations)
    }

    pub fn holds(&self) -> bool {
        *self == Self::Holds
    }
}

/// The content of a report file: the results, fields that the caller adds to the same object (`E`), and the
/// verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Report<E = ()> {
    #[serde(flatten)]
    pub figures: Figures,
    /// For instance the state of the database.
    #[serde(flatten)]
    pub extra: E,
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl<E: Serialize> Report<E> {
    /// Writes indented JSON with a newline at the end.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

/// Writes the counts, the latencies and a histogram of them.
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
        writeln!(out, "The race was ended early: not all members have made their requests.")?;
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

pub fn write_verdict(out: &mut impl io::Write, verdict: &Verdict) -> io::Result<()> {
    match verdict {
        Verdict::Holds => writeln!(out, "The promise held."),
        Verdict::Broken(violations) => {
            writeln!(out, "The promise is broken:")?;
            violations.iter().try_for_each(|violation| writeln!(out, "  - {violation}"))
        }
    }
}

/// Each counter with its label, and whether to print it even when it is zero.
fn rows(figures: &Figures) -> [(&'static str, u64, bool); 9] {
    [
        ("coupons issued", figures.issued, true),
        ("the same coupon again", figures.repeated, true),
        ("sold out", figures.sold_out, true),
        ("not open yet", figures.not_open, false),
        ("closed", figures.closed, false),
        ("shed (429 or 503)", figures.shed, false),
        ("without an answer, sent again", figures.unknown, false),
        ("members that never got a verdict", figures.gave_up, false),
        ("unexpected answers", figures.unexpected, false),
    ]
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
