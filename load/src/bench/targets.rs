//! Performance targets: ratios and rates that a bench must reach.

use serde::Serialize;

use super::contender::{BARE_EVALSHA, BARE_FIXED, FASTAPI};
use super::figures::{Path, Summary};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerformanceTarget {
    /// Contender, path and compared figure, as one phrase.
    pub what: String,
    pub seen: f64,
    pub least: f64,
    pub met: bool,
}

/// The value that a target is about.
#[derive(Clone, Copy)]
enum Metric {
    /// The rate of verdicts, to that of another contender.
    Answers(&'static str),
    /// The rate of rows, to the rate of verdicts of another contender.
    Rows(&'static str),
    /// Verdicts a second.
    Rate,
}

const TARGETS: &[(&str, Path, Metric, f64)] = &[
    ("embedded", Path::SoldOut, Metric::Answers(BARE_FIXED), 0.95),
    ("redis-lua", Path::SoldOut, Metric::Answers(BARE_FIXED), 0.95),
    ("redis-lua", Path::Issuing, Metric::Answers(BARE_EVALSHA), 0.8),
    ("redis-lua", Path::Issuing, Metric::Rows(BARE_EVALSHA), 0.5),
    ("embedded", Path::Issuing, Metric::Answers(BARE_EVALSHA), 0.9),
    ("embedded", Path::SoldOut, Metric::Answers(FASTAPI), 10.0),
    ("redis-lua", Path::SoldOut, Metric::Answers(FASTAPI), 10.0),
    ("embedded", Path::Issuing, Metric::Answers(FASTAPI), 8.0),
    ("redis-lua", Path::Issuing, Metric::Answers(FASTAPI), 8.0),
    ("embedded", Path::Issuing, Metric::Rate, 5_000.0),
    ("redis-lua", Path::Issuing, Metric::Rate, 5_000.0),
    ("redis-lock", Path::Issuing, Metric::Rate, 1_000.0),
    ("postgres-pessimistic", Path::Issuing, Metric::Rate, 1_000.0),
    ("postgres-optimistic", Path::Issuing, Metric::Rate, 1_000.0),
];

/// Evaluates the targets whose contenders were measured.
pub(super) fn evaluate(summaries: &[Summary]) -> Vec<PerformanceTarget> {
    let find =
        |name: &str, path| summaries.iter().find(|summary| summary.contender == name && summary.path == path);
    let target = |(name, path, metric, least): &(&str, Path, Metric, f64)| {
        let summary = find(name, *path)?;
        let base = |other: &str| find(other, *path).map(|base| base.per_second).filter(|base| *base > 0.0);
        let path_label = if *path == Path::SoldOut { "sold out" } else { "issuing" };
        let (what, seen) = match metric {
            Metric::Answers(other) => {
                (format!("{path_label}: {name} / {other}"), summary.per_second / base(other)?)
            }
            Metric::Rows(other) => {
                (format!("{path_label}: rows of {name} / {other}"), summary.rows_per_second? / base(other)?)
            }
            Metric::Rate => (format!("{path_label}: {name}, answers a second"), summary.per_second),
        };
        Some(PerformanceTarget { what, seen, least: *least, met: seen >= *least })
    };
    TARGETS.iter().filter_map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::{BenchReport, tests::sample};
    use super::*;

    #[test]
    fn a_target_is_met_missed_or_left_out_if_not_measured() {
        let samples = vec![
            sample(BARE_FIXED, Path::SoldOut, 100.0, None),
            sample("embedded", Path::SoldOut, 95.0, None),
            sample("redis-lua", Path::SoldOut, 94.9, None),
            sample(BARE_EVALSHA, Path::Issuing, 10_000.0, None),
            sample("redis-lua", Path::Issuing, 8_000.0, Some(4_999.0)),
        ];
        let mut report = BenchReport { samples, ..BenchReport::default() };
        report.summarize();
        let met: Vec<(&str, bool)> = report.targets.iter().map(|t| (t.what.as_str(), t.met)).collect();
        assert_eq!(
            met,
            [
                ("sold out: embedded / bare fixed", true),
                ("sold out: redis-lua / bare fixed", false),
                ("issuing: redis-lua / bare evalsha", true),
                ("issuing: rows of redis-lua / bare evalsha", false),
                ("issuing: redis-lua, answers a second", true),
            ]
        );
    }
}
