//! What is to be shown, as ratios and rates, and whether it was.

use serde::Serialize;

use super::contender::{BARE_EVALSHA, BARE_FIXED, FASTAPI};
use super::figures::{Path, Summary};

/// One thing that is to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// In words.
    pub what: String,
    /// What was seen.
    pub seen: f64,
    /// What is to be seen at least.
    pub least: f64,
    /// Whether it was.
    pub met: bool,
}

/// Which figure is compared with which.
#[derive(Clone, Copy)]
enum Of {
    /// Answers, in parts of the other's answers.
    Answers(&'static str),
    /// Rows, in parts of the other's answers.
    Rows(&'static str),
    /// Answers a second.
    Rate,
}

const AT_LEAST: &[(&str, Path, Of, f64)] = &[
    ("embedded", Path::SoldOut, Of::Answers(BARE_FIXED), 0.95),
    ("redis-lua", Path::SoldOut, Of::Answers(BARE_FIXED), 0.95),
    ("redis-lua", Path::Issuing, Of::Answers(BARE_EVALSHA), 0.8),
    ("redis-lua", Path::Issuing, Of::Rows(BARE_EVALSHA), 0.5),
    ("embedded", Path::Issuing, Of::Answers(BARE_EVALSHA), 0.9),
    ("embedded", Path::SoldOut, Of::Answers(FASTAPI), 10.0),
    ("redis-lua", Path::SoldOut, Of::Answers(FASTAPI), 10.0),
    ("embedded", Path::Issuing, Of::Answers(FASTAPI), 8.0),
    ("redis-lua", Path::Issuing, Of::Answers(FASTAPI), 8.0),
    ("embedded", Path::Issuing, Of::Rate, 5_000.0),
    ("redis-lua", Path::Issuing, Of::Rate, 5_000.0),
    ("redis-lock", Path::Issuing, Of::Rate, 1_000.0),
    ("postgres-pessimistic", Path::Issuing, Of::Rate, 1_000.0),
    ("postgres-optimistic", Path::Issuing, Of::Rate, 1_000.0),
];

/// Everything that can be said of who took part. What was not measured is not mentioned.
pub(super) fn all(summaries: &[Summary]) -> Vec<Target> {
    let find = |name: &str, path| summaries.iter().find(|one| one.contender == name && one.path == path);
    let target = |(name, path, of, least): &(&str, Path, Of, f64)| {
        let one = find(name, *path)?;
        let base = |other: &str| find(other, *path).map(|base| base.per_second).filter(|base| *base > 0.0);
        let at = if *path == Path::SoldOut { "sold out" } else { "issuing" };
        let (what, seen) = match of {
            Of::Answers(other) => (format!("{at}: {name} / {other}"), one.per_second / base(other)?),
            Of::Rows(other) => {
                (format!("{at}: rows of {name} / {other}"), one.rows_per_second? / base(other)?)
            }
            Of::Rate => (format!("{at}: {name}, answers a second"), one.per_second),
        };
        Some(Target { what, seen, least: *least, met: seen >= *least })
    };
    AT_LEAST.iter().filter_map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::super::figures::{BenchReport, tests::sample};
    use super::*;

    #[test]
    fn a_target_is_met_or_missed_and_what_did_not_take_part_is_left_out() {
        let samples = vec![
            sample(BARE_FIXED, Path::SoldOut, 100.0, None),
            sample("embedded", Path::SoldOut, 95.0, None),
            sample("redis-lua", Path::SoldOut, 94.9, None),
            sample(BARE_EVALSHA, Path::Issuing, 10_000.0, None),
            sample("redis-lua", Path::Issuing, 8_000.0, Some(4_999.0)),
        ];
        let mut report = BenchReport { samples, ..BenchReport::default() };
        report.conclude();
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
