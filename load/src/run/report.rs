//! The result of a run for a program (JSON) and for a person (text). The page for a browser is in [`crate::page`].

use std::io;
use std::time::Duration;

use serde::Serialize;

use super::config::{RunConfig, Scenario};
use super::truth::Truth;
use crate::drive::{Counts, Slice, Tally};
use crate::format::{human, thousands};
use crate::latency::{Latency, LatencyMs};
use crate::report::Verdict;

/// When members came.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "model", rename_all = "kebab-case")]
pub enum Model {
    /// As soon as the last one on a connection was answered.
    Closed,
    /// When they meant to, whatever the service did.
    Open {
        /// Members a second, stage by stage.
        rates: Vec<f64>,
        /// How long each stage lasted, in seconds.
        stage_s: f64,
    },
    /// All at the same moment.
    Once,
}

/// What came out. Latencies count from when a member meant to ask.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// What was run.
    pub scenario: Scenario,
    /// When members came.
    #[serde(flatten)]
    pub model: Model,
    /// Who was asked.
    pub target: String,
    /// How many connections there were; a double click takes another.
    pub connections: usize,
    /// How long it took.
    pub duration_ms: u64,
    /// How requests ended.
    pub counts: Counts,
    /// True answers a second.
    pub answers_per_second: f64,
    /// Coupons issued a second.
    pub issued_per_second: f64,
    /// How long requests took.
    pub latency_ms: LatencyMs,
    /// The same by percentile: percent, and milliseconds.
    pub curve_ms: Vec<(f64, f64)>,
    /// How long each of the slices is.
    pub slice_ms: u64,
    /// What happened over time.
    pub slices: Vec<Slice>,
    /// What is so of each coupon.
    pub truth: Vec<Truth>,
    /// The first few answers that the contract does not know.
    pub unexpected_examples: Vec<String>,
    /// Whether the promise held.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// To draw from.
    #[serde(skip)]
    latency: Latency,
}

impl RunReport {
    pub(super) fn new(
        config: &RunConfig,
        tally: &Tally,
        truth: Vec<Truth>,
        unexpected_examples: Vec<String>,
        verdict: Verdict,
    ) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let plan = config.plan(Vec::new());
        let ran_s = tally.ran.as_secs_f64().max(1e-9);
        Self {
            scenario: config.scenario,
            model: model(config),
            target: config.target.to_string(),
            connections: plan.connections,
            duration_ms: ms(tally.ran),
            counts: tally.all,
            answers_per_second: tally.per_second().round(),
            issued_per_second: (tally.measured.issued as f64 / ran_s).round(),
            latency_ms: tally.latency.ms(),
            curve_ms: tally.latency.curve_ms(),
            slice_ms: ms(tally.slice),
            slices: tally.slices.clone(),
            truth,
            unexpected_examples,
            verdict,
            latency: tally.latency.clone(),
        }
    }

    /// One of a run in which nothing happened.
    #[cfg(test)]
    pub(crate) fn empty(scenario: Scenario, model: Model) -> Self {
        Self {
            scenario,
            model,
            target: String::new(),
            connections: 0,
            duration_ms: 0,
            counts: Counts::default(),
            answers_per_second: 0.0,
            issued_per_second: 0.0,
            latency_ms: LatencyMs::default(),
            curve_ms: Vec::new(),
            slice_ms: 0,
            slices: Vec::new(),
            truth: Vec::new(),
            unexpected_examples: Vec::new(),
            verdict: Verdict::Holds,
            latency: Latency::default(),
        }
    }

    /// Writes it as indented JSON, with a newline at the end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

fn model(config: &RunConfig) -> Model {
    match config.scenario {
        Scenario::Burst => Model::Once,
        _ if config.rates.is_empty() => Model::Closed,
        _ => Model::Open { rates: config.rates.clone(), stage_s: config.lasts.as_secs_f64() },
    }
}

/// What was run, in a few words.
pub(crate) fn title(report: &RunReport) -> String {
    let name = serde_json::to_value(report.scenario).ok();
    let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("load").to_owned();
    match &report.model {
        Model::Closed => format!("{name}, closed loop on {} connections", report.connections),
        Model::Once => format!("{name} of {} members", thousands(report.connections as u64)),
        Model::Open { rates, stage_s } => {
            let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
            format!("{name}, open loop at {} a second, {stage_s} s each", rates.join(", "))
        }
    }
}

/// Each way in which a request can end, with its label, and whether it is of interest even when nobody met it.
pub(crate) fn rows(counts: &Counts) -> [(&'static str, u64, bool); 7] {
    [
        ("coupons issued", counts.issued, true),
        ("the same coupon again", counts.repeated, false),
        ("sold out", counts.sold_out, true),
        ("not open, or closed", counts.refused, false),
        ("asked to come back later", counts.shed, true),
        ("without an answer", counts.unknown, true),
        ("unexpected answers", counts.unexpected, false),
    ]
}

/// Writes it for a person to read.
///
/// # Errors
/// It cannot be written.
pub fn write_text(out: &mut impl io::Write, report: &RunReport) -> io::Result<()> {
    let LatencyMs { p50, p90, p99, max, mean } = report.latency_ms;
    let ms = |ms: f64| human(Duration::from_secs_f64(ms / 1e3));
    writeln!(
        out,
        "{}: {} requests in {}, {} true answers a second\n",
        title(report),
        thousands(report.counts.requests()),
        human(Duration::from_millis(report.duration_ms)),
        thousands(report.answers_per_second as u64)
    )?;
    for (label, count, always) in rows(&report.counts) {
        if always || count > 0 {
            writeln!(out, "{:>13}  {label}", thousands(count))?;
        }
    }
    writeln!(
        out,
        "\nlatency  mean {}, p50 {}, p90 {}, p99 {}, max {}\n",
        ms(mean),
        ms(p50),
        ms(p90),
        ms(p99),
        ms(max)
    )?;
    report.latency.draw(out)?;
    writeln!(out)?;
    for truth in &report.truth {
        let rows = truth.rows.map_or_else(String::new, |rows| format!(", {} rows", thousands(rows)));
        writeln!(
            out,
            "{}: {} told, {} issued of {}{rows}",
            truth.coupon_id,
            thousands(truth.told),
            thousands(truth.issued.into()),
            thousands(truth.total.into())
        )?;
    }
    writeln!(out)
}
