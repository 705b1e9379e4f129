//! What the rounds come to: medians, and ratios of medians.

use serde::Serialize;

use super::contender::{BARE_EVALSHA, BARE_FIXED};
use super::targets::{self, Target};
use crate::latency::LatencyMs;

/// What members do in a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// Strangers ask for a coupon of which none is left.
    SoldOut,
    /// Members ask for one that does not run out.
    Issuing,
}

impl Path {
    /// Who it is compared with.
    #[must_use]
    pub fn baseline(self) -> &'static str {
        match self {
            Self::SoldOut => BARE_FIXED,
            Self::Issuing => BARE_EVALSHA,
        }
    }
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Who was measured.
    pub contender: String,
    /// At what.
    pub path: Path,
    /// In which round, from 1.
    pub round: u32,
    /// True answers a second.
    pub per_second: f64,
    /// How long they took.
    pub latency_ms: LatencyMs,
    /// Requests that were not told what is so.
    pub errors: u64,
    /// Processor time of the server alone, in microseconds a request; absent where the system does not tell.
    pub cpu_us_per_request: Option<f64>,
    /// The same of this program, which puts the load on.
    pub load_us_per_request: Option<f64>,
    /// Rows that arrived in PostgreSQL in the same time, where there is one.
    pub rows_per_second: Option<f64>,
    /// Answers a second by wrk, if it was asked, too.
    pub wrk_per_second: Option<f64>,
}

/// The medians of all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Who.
    pub contender: String,
    /// At what.
    pub path: Path,
    /// True answers a second.
    pub per_second: f64,
    /// The same in parts of the bare handler's; absent if that did not take part.
    pub ratio: Option<f64>,
    /// Half of the answers took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// Processor time of the server alone, in microseconds a request.
    pub cpu_us_per_request: Option<f64>,
    /// The same of this program, which puts the load on.
    pub load_us_per_request: Option<f64>,
    /// Rows that arrived in PostgreSQL.
    pub rows_per_second: Option<f64>,
    /// Rows in parts of the bare handler's answers.
    pub rows_ratio: Option<f64>,
    /// Answers a second by wrk.
    pub wrk_per_second: Option<f64>,
    /// The same in parts of the bare handler's.
    pub wrk_ratio: Option<f64>,
    /// Requests that were not told what is so, in all rounds.
    pub errors: u64,
}

/// Everything that came of a bench.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BenchReport {
    /// How many rounds there were.
    pub rounds: u32,
    /// How long each measurement took, in seconds.
    pub seconds: f64,
    /// How many connections there were.
    pub connections: usize,
    /// How many processors this machine has.
    pub processors: usize,
    /// The medians.
    pub summaries: Vec<Summary>,
    /// What is to be shown, and whether it was.
    pub targets: Vec<Target>,
    /// What contradicts what members were told.
    pub violations: Vec<String>,
    /// Every measurement.
    pub samples: Vec<Sample>,
}

/// The one in the middle, or the average of the two; zero of nothing.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

impl BenchReport {
    /// Works out the medians, the ratios and the targets from the samples.
    pub(super) fn conclude(&mut self) {
        self.summaries = summarise(&self.samples);
        self.targets = targets::all(&self.summaries);
    }

    /// Whether nothing contradicts what members were told. Being slow is no contradiction.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// The medians of each contender and path, in the order in which they first appear.
fn summarise(samples: &[Sample]) -> Vec<Summary> {
    let mut seen: Vec<(&str, Path)> = Vec::new();
    for sample in samples {
        if !seen.contains(&(&sample.contender, sample.path)) {
            seen.push((&sample.contender, sample.path));
        }
    }
    seen.into_iter().map(|(contender, path)| summary(samples, contender, path)).collect()
}

fn of<'a>(samples: &'a [Sample], name: &'a str, path: Path) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |sample| sample.contender == name && sample.path == path)
}

fn summary(samples: &[Sample], contender: &str, path: Path) -> Summary {
    let middle = |name: &str, value: fn(&Sample) -> Option<f64>| {
        let values: Vec<f64> = of(samples, name, path).filter_map(value).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let baseline = path.baseline();
    let ratio = |value: Option<f64>, base: Option<f64>| Some(value? / base.filter(|base| *base > 0.0)?);
    let (answers, wrk) = (|sample: &Sample| Some(sample.per_second), |sample: &Sample| sample.wrk_per_second);
    let (rows, base) = (middle(contender, |sample| sample.rows_per_second), middle(baseline, answers));
    Summary {
        contender: contender.to_owned(),
        path,
        per_second: middle(contender, answers).unwrap_or(0.0),
        ratio: ratio(middle(contender, answers), base),
        p50_ms: median(of(samples, contender, path).map(|sample| sample.latency_ms.p50)),
        p99_ms: median(of(samples, contender, path).map(|sample| sample.latency_ms.p99)),
        cpu_us_per_request: middle(contender, |sample| sample.cpu_us_per_request),
        load_us_per_request: middle(contender, |sample| sample.load_us_per_request),
        rows_per_second: rows,
        rows_ratio: ratio(rows, base),
        wrk_per_second: middle(contender, wrk),
        wrk_ratio: ratio(middle(contender, wrk), middle(baseline, wrk)),
        errors: of(samples, contender, path).map(|sample| sample.errors).sum(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A measurement of which only the rate matters.
    pub(in crate::bench) fn sample(
        contender: &str,
        path: Path,
        per_second: f64,
        rows: Option<f64>,
    ) -> Sample {
        Sample {
            contender: contender.to_owned(),
            path,
            round: 1,
            per_second,
            latency_ms: LatencyMs { p50: 1.0, p99: 2.0, ..LatencyMs::default() },
            errors: 1,
            cpu_us_per_request: None,
            load_us_per_request: None,
            rows_per_second: rows,
            wrk_per_second: None,
        }
    }

    #[test]
    fn a_median_is_not_moved_by_one_bad_round() {
        assert_eq!(median([5.0, 1.0, 1_000.0]), 5.0);
        assert_eq!(median([4.0, 2.0]), 3.0);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn ratios_are_those_of_medians_to_the_bare_handler_of_the_path() {
        let samples = [
            sample(BARE_FIXED, Path::SoldOut, 100.0, None),
            sample(BARE_EVALSHA, Path::Issuing, 40.0, None),
            sample("redis-lua", Path::Issuing, 30.0, Some(10.0)),
            sample("redis-lua", Path::Issuing, 34.0, Some(30.0)),
            sample("redis-lua", Path::SoldOut, 95.0, None),
        ];
        let found = summarise(&samples);
        assert_eq!(found.len(), 4);
        let issuing = found.iter().find(|s| s.contender == "redis-lua" && s.path == Path::Issuing).unwrap();
        assert_eq!((issuing.per_second, issuing.ratio), (32.0, Some(0.8)));
        assert_eq!((issuing.rows_per_second, issuing.rows_ratio), (Some(20.0), Some(0.5)));
        assert_eq!(issuing.errors, 2);
        let sold_out = found.iter().find(|s| s.contender == "redis-lua" && s.path == Path::SoldOut).unwrap();
        assert_eq!((sold_out.ratio, sold_out.rows_ratio), (Some(0.95), None));
    }

    #[test]
    fn without_the_bare_handler_there_is_no_ratio() {
        let found = summarise(&[sample("embedded", Path::Issuing, 9.0, None)]);
        assert_eq!(found[0].ratio, None);
    }
}
