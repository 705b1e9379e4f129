//! The results of the rounds: medians, and ratios of medians.

use serde::Serialize;

use super::contender::{BARE_EVALSHA, BARE_FIXED};
use super::targets::{self, PerformanceTarget};
use crate::latency::LatencyMs;

/// The kind of requests in a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// Requests for a coupon that is sold out.
    SoldOut,
    /// Requests for a coupon whose stock does not run out.
    Issuing,
}

impl Path {
    /// The contender that this path is compared with.
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
    pub contender: String,
    pub path: Path,
    /// Counted from 1.
    pub round: u32,
    /// Verdicts a second.
    pub per_second: f64,
    pub latency_ms: LatencyMs,
    /// Requests without a verdict.
    pub errors: u64,
    /// Processor time of the server alone; absent where the system does not report it.
    pub cpu_us_per_request: Option<f64>,
    /// Processor time of this program, which generates the load.
    pub load_us_per_request: Option<f64>,
    /// Rows that arrived in PostgreSQL in the measured period.
    pub rows_per_second: Option<f64>,
    pub wrk_per_second: Option<f64>,
}

/// The medians of all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub contender: String,
    pub path: Path,
    /// Verdicts a second.
    pub per_second: f64,
    /// To the baseline's rate; absent if the baseline was not measured.
    pub ratio: Option<f64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time of the server alone.
    pub cpu_us_per_request: Option<f64>,
    /// Processor time of this program.
    pub load_us_per_request: Option<f64>,
    pub rows_per_second: Option<f64>,
    /// To the baseline's rate of verdicts.
    pub rows_ratio: Option<f64>,
    pub wrk_per_second: Option<f64>,
    /// To the baseline's rate by wrk.
    pub wrk_ratio: Option<f64>,
    /// Requests without a verdict, in all rounds.
    pub errors: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct BenchReport {
    pub rounds: u32,
    /// Of each measurement.
    pub seconds: f64,
    pub connections: usize,
    pub processors: usize,
    pub summaries: Vec<Summary>,
    pub targets: Vec<PerformanceTarget>,
    /// Contradictions between answers, service and database.
    pub violations: Vec<String>,
    pub samples: Vec<Sample>,
}

/// The mean of the middle two for an even number of values; zero for none.
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
    /// Computes the medians, the ratios and the targets from the samples.
    pub(super) fn summarize(&mut self) {
        self.summaries = summarize_samples(&self.samples);
        self.targets = targets::evaluate(&self.summaries);
    }

    /// Whether no answer was contradicted. A missed target is no contradiction.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }
}

/// The medians of each contender and path, in the order in which they first appear.
fn summarize_samples(samples: &[Sample]) -> Vec<Summary> {
    let mut keys: Vec<(&str, Path)> = Vec::new();
    for sample in samples {
        if !keys.contains(&(&sample.contender, sample.path)) {
            keys.push((&sample.contender, sample.path));
        }
    }
    keys.into_iter().map(|(contender, path)| summarize_contender(samples, contender, path)).collect()
}

fn samples_of<'a>(samples: &'a [Sample], name: &'a str, path: Path) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |sample| sample.contender == name && sample.path == path)
}

fn summarize_contender(samples: &[Sample], contender: &str, path: Path) -> Summary {
    let median_of = |name: &str, value: fn(&Sample) -> Option<f64>| {
        let values: Vec<f64> = samples_of(samples, name, path).filter_map(value).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let baseline = path.baseline();
    let ratio = |value: Option<f64>, base: Option<f64>| Some(value? / base.filter(|base| *base > 0.0)?);
    let answers = |sample: &Sample| Some(sample.per_second);
    let wrk = |sample: &Sample| sample.wrk_per_second;
    let rows = median_of(contender, |sample| sample.rows_per_second);
    let base = median_of(baseline, answers);
    Summary {
        contender: contender.to_owned(),
        path,
        per_second: median_of(contender, answers).unwrap_or(0.0),
        ratio: ratio(median_of(contender, answers), base),
        p50_ms: median(samples_of(samples, contender, path).map(|sample| sample.latency_ms.p50)),
        p99_ms: median(samples_of(samples, contender, path).map(|sample| sample.latency_ms.p99)),
        cpu_us_per_request: median_of(contender, |sample| sample.cpu_us_per_request),
        load_us_per_request: median_of(contender, |sample| sample.load_us_per_request),
        rows_per_second: rows,
        rows_ratio: ratio(rows, base),
        wrk_per_second: median_of(contender, wrk),
        wrk_ratio: ratio(median_of(contender, wrk), median_of(baseline, wrk)),
        errors: samples_of(samples, contender, path).map(|sample| sample.errors).sum(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A measurement in which only the rate matters.
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
        let summaries = summarize_samples(&samples);
        assert_eq!(summaries.len(), 4);
        let issuing =
            summaries.iter().find(|s| s.contender == "redis-lua" && s.path == Path::Issuing).unwrap();
        assert_eq!((issuing.per_second, issuing.ratio), (32.0, Some(0.8)));
        assert_eq!((issuing.rows_per_second, issuing.rows_ratio), (Some(20.0), Some(0.5)));
        assert_eq!(issuing.errors, 2);
        let sold_out =
            summaries.iter().find(|s| s.contender == "redis-lua" && s.path == Path::SoldOut).unwrap();
        assert_eq!((sold_out.ratio, sold_out.rows_ratio), (Some(0.95), None));
    }

    #[test]
    fn without_the_bare_handler_there_is_no_ratio() {
        let summaries = summarize_samples(&[sample("embedded", Path::Issuing, 9.0, None)]);
        assert_eq!(summaries[0].ratio, None);
    }
}
