//! Latencies: recorded without a lock, merged at the end, drawn as a histogram.

use std::{io, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::format::{human, thousands};

/// With three significant digits, a percentile is within a thousandth of the measured value.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Longer latencies count as this much, which bounds the memory of a histogram and the rows of its drawing.
const LONGEST: Duration = Duration::from_secs(1_000);

/// The width of the longest bar. With its label and its count, a line stays within 72 columns.
const BAR_COLUMNS: usize = 40;

/// Eighths of a column, so that a small count remains visible.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The percentiles of a curve, finer towards the slowest answers, which members notice most.
const CURVE_PERCENTILES: [f64; 20] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9,
    99.99, 99.999, 100.0,
];

/// A histogram of latencies in microseconds. Its size grows with the values, not with their number.
#[derive(Clone, Debug)]
pub struct Latency(Option<Histogram<u64>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyMs {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
    pub mean: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new(SIGNIFICANT_DIGITS).ok())
    }
}

impl Latency {
    pub fn record(&mut self, took: Duration) {
        let us = took.min(LONGEST).as_micros() as u64;
        if let Some(histogram) = &mut self.0 {
            // The histogram resizes itself for any value below `LONGEST`; a saturating record would not.
            let recorded = histogram.record(us);
            debug_assert!(recorded.is_ok());
        }
    }

    pub fn merge(&mut self, other: &Self) {
        if let Some(histogram) = &mut self.0
            && let Some(other) = &other.0
        {
            // An auto-resizing histogram accepts any other.
            let added = histogram.add(other);
            debug_assert!(added.is_ok());
        }
    }

    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// All zero when nothing was recorded.
    pub fn ms(&self) -> LatencyMs {
        let Some(histogram) = self.0.as_ref().filter(|h| !h.is_empty()) else { return LatencyMs::default() };
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max()) as f64 / 1e3;
        LatencyMs {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: histogram.max() as f64 / 1e3,
            mean: histogram.mean().round() / 1e3,
        }
    }

    /// Pairs of a percentile and its latency in milliseconds, up to the first that is the slowest answer;
    /// empty when nothing was recorded.
    pub fn curve_ms(&self) -> Vec<(f64, f64)> {
        let Some(histogram) = self.0.as_ref().filter(|h| !h.is_empty()) else { return Vec::new() };
        let slowest = histogram.max();
        let mut curve = Vec::new();
        for percent in CURVE_PERCENTILES {
            let us = histogram.value_at_quantile(percent / 100.0).clamp(histogram.min(), slowest);
            curve.push((percent, us as f64 / 1e3));
            // Any higher percentile would be the slowest answer again.
            if (1.0 - percent / 100.0) * (self.count() as f64) < 1.0 - 1e-6 {
                break;
            }
        }
        curve
    }

    /// Draws one line for each step of 1, 2, 5, 10 and so on, at most 72 columns wide.
    pub fn draw(&self, out: &mut impl io::Write) -> io::Result<()> {
        let rows = self.rows();
        let highest = rows.iter().map(|row| row.1).max().unwrap_or(0);
        for (upper_us, count) in rows {
            let label = format!("under {}", human(Duration::from_micros(upper_us)));
            let line = format!("{label:>13} {:>13}  {}", thousands(count), bar(count, highest));
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// The upper bound and the count of each bucket, from the first to the last that is not empty.
    fn rows(&self) -> Vec<(u64, u64)> {
        let Some(histogram) = self.0.as_ref().filter(|h| !h.is_empty()) else { return Vec::new() };
        let mut rows = Vec::new();
        let mut lower = 0;
        for upper in steps() {
            if upper > histogram.min() {
                rows.push((upper, histogram.count_between(lower, upper - 1)));
            }
            if upper > histogram.max() {
                break;
            }
            lower = upper;
        }
        rows
    }
}

/// 1, 2, 5, 10, 20, 50, ... microseconds, beyond [`LONGEST`].
fn steps() -> impl Iterator<Item = u64> {
    (0..10).flat_map(|exponent| [1, 2, 5].map(|digit| digit * 10_u64.pow(exponent)))
}

fn bar(count: u64, highest: u64) -> String {
    if count == 0 {
        return String::new();
    }
    let eighths = (count as f64 / highest as f64 * (BAR_COLUMNS * 8) as f64).round() as usize;
    let eighths = eighths.max(1);
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(values_us: &[(u64, usize)]) -> Latency {
        let mut latency = Latency::default();
        for &(us, times) in values_us {
            (0..times).for_each(|_| latency.record(Duration::from_micros(us)));
        }
        latency
    }

    #[test]
    fn a_merged_histogram_covers_both_parts() {
        let mut latency = recorded(&[(1_000, 90)]);
        latency.merge(&recorded(&[(20_000, 10)]));
        let ms = latency.ms();
        assert_eq!(latency.count(), 100);
        assert!((ms.p50 - 1.0).abs() < 0.01 && (ms.p90 - 1.0).abs() < 0.01, "{ms:?}");
        assert!((ms.p99 - 20.0).abs() < 0.1 && (ms.max - 20.0).abs() < 0.1, "{ms:?}");
        assert!((ms.mean - 2.9).abs() < 0.05, "{ms:?}");
    }

    #[test]
    fn percentiles_of_known_data_are_correct() {
        let mut latency = Latency::default();
        for us in 1..=100_000 {
            latency.record(Duration::from_micros(us));
        }
        let ms = latency.ms();
        let near = |found: f64, true_ms: f64| (found - true_ms).abs() <= true_ms * 0.001;
        assert!(
            near(ms.p50, 50.0) && near(ms.p90, 90.0) && near(ms.p99, 99.0) && near(ms.max, 100.0),
            "{ms:?}"
        );
        assert!(near(ms.mean, 50.0), "{ms:?}");
        let curve = latency.curve_ms();
        assert!(curve.iter().skip(1).all(|(percent, ms)| near(*ms, *percent)), "{curve:?}");
        assert!((curve.last().unwrap().1 - 100.0).abs() < 0.1, "{curve:?}");
    }

    #[test]
    fn a_curve_ends_at_the_slowest_answer() {
        let curve = recorded(&[(1_000, 9), (50_000, 1)]).curve_ms();
        assert_eq!(curve.last().map(|(percent, _)| *percent), Some(95.0), "{curve:?}");
        assert!(recorded(&[]).curve_ms().is_empty());
    }

    #[test]
    fn an_empty_histogram_is_zero_and_draws_nothing() {
        let mut drawn = Vec::new();
        Latency::default().draw(&mut drawn).unwrap();
        assert_eq!(Latency::default().ms(), LatencyMs::default());
        assert!(drawn.is_empty());
    }

    #[test]
    fn the_drawing_fits_and_shows_a_single_answer() {
        let mut drawn = Vec::new();
        recorded(&[(300, 1), (700, 200_000), (1_500, 50_000), (9_000_000, 1)]).draw(&mut drawn).unwrap();
        let drawn = String::from_utf8(drawn).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 72), "{drawn}");
        assert!(lines[0].starts_with(" under 500 µs             1  ▏"), "{drawn}");
        assert!(lines[1].ends_with(&format!("200,000  {}", "█".repeat(BAR_COLUMNS))), "{drawn}");
        assert!(lines.last().unwrap().starts_with("   under 10 s             1  ▏"), "{drawn}");
    }
}
