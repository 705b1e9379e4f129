//! The result of a run, as JSON for programs and as text for people. [`crate::page`] renders it for a
//! browser.

use std::io;
use std::time::Duration;

use serde::Serialize;

use super::audit::CouponAudit;
use super::config::{RunConfig, Scenario};
use crate::drive::{Counts, Slice, Tally};
use crate::format::{human, thousands};
use crate::latency::{Latency, LatencyMs};
use crate::report::Verdict;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "model", rename_all = "kebab-case")]
pub enum Model {
    /// Each connection sends its next request as soon as the last is answered.
    Closed,
    /// Requests are sent when they are due, independently of the answers.
    Open {
        /// Members a second, one for each stage.
        rates: Vec<f64>,
        stage_s: f64,
    },
    /// All at the same moment.
    Once,
}

/// The result of a run. Latencies count from the time at which a request was due.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    pub scenario: Scenario,
    #[serde(flatten)]
    pub model: Model,
    pub target: String,
    /// A double click takes another connection.
    pub connections: usize,
    pub duration_ms: u64,
    pub counts: Counts,
    pub answers_per_second: f64,
    pub issued_per_second: f64,
    pub latency_ms: LatencyMs,
    /// Pairs of a percentile and its latency in milliseconds.
    pub curve_ms: Vec<(f64, f64)>,
    pub slice_ms: u64,
    pub slices: Vec<Slice>,
    #[serde(rename = "truth")]
    pub audits: Vec<CouponAudit>,
    pub unexpected_examples: Vec<String>,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The source of the drawing.
    #[serde(skip)]
    latency: Latency,
}

impl RunReport {
    pub(super) fn new(
        config: &RunConfig,
        tally: &Tally,
        audits: Vec<CouponAudit>,
        unexpected_examples: Vec<String>,
        verdict: Verdict,
    ) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let plan = config.plan(Vec::new());
        let ran_s = tally.measured_duration.as_secs_f64().max(1e-9);
        Self {
            scenario: config.scenario,
            model: model(config),
            target: config.target.to_string(),
            connections: plan.connections,
            duration_ms: ms(tally.measured_duration),
            counts: tally.all,
            answers_per_second: tally.per_second().round(),
            issued_per_second: (tally.measured.issued as f64 / ran_s).round(),
            latency_ms: tally.latency.ms(),
            curve_ms: tally.latency.curve_ms(),
            slice_ms: ms(tally.slice_duration),
            slices: tally.slices.clone(),
            audits,
            unexpected_examples,
            verdict,
            latency: tally.latency.clone(),
        }
    }

    /// A report without any requests.
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
            audits: Vec::new(),
            unexpected_examples: Vec::new(),
            verdict: Verdict::Holds,
            latency: Latency::default(),
        }
    }

    /// Writes indented JSON with a newline at the end.
    pub fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

fn model(config: &RunConfig) -> Model {
    match config.scenario {
        Scenario::Burst => Model::Once,
        _ if config.rates.is_empty() => Model::Closed,
        _ => Model::Open { rates: config.rates.clone(), stage_s: config.duration.as_secs_f64() },
    }
}

/// Describes the scenario in a few words.
pub(crate) fn describe(report: &RunReport) -> String {
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

/// Each outcome with its label, and whether to print it even when it is zero.
pub(crate) fn outcome_rows(counts: &Counts) -> [(&'static str, u64, bool); 7] {
    [
        ("coupons issued", counts.issued, true),
        ("the same coupon again", counts.repeated, false),
        ("sold out", counts.sold_out, true),
        ("not open, or closed", counts.refused, false),
        ("shed (429 or 503)", counts.shed, true),
        ("without an answer", counts.unknown, true),
        ("unexpected answers", counts.unexpected, false),
    ]
}

pub fn write_text(out: &mut impl io::Write, report: &RunReport) -> io::Result<()> {
    let LatencyMs { p50, p90, p99, max, mean } = report.latency_ms;
    let ms = |ms: f64| human(Duration::from_secs_f64(ms / 1e3));
    writeln!(
        out,
        "{}: {} requests in {}, {} verdicts a second\n",
        describe(report),
        thousands(report.counts.requests()),
        human(Duration::from_millis(report.duration_ms)),
        thousands(report.answers_per_second as u64)
    )?;
    for (label, count, always) in outcome_rows(&report.counts) {
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
    for audit in &report.audits {
        let rows = audit.rows.map_or_else(String::new, |rows| format!(", {} rows", thousands(rows)));
        writeln!(
            out,
            "{}: {} in the answers, {} issued of {}{rows}",
            audit.coupon_id,
            thousands(audit.answered_members),
            thousands(audit.issued.into()),
            thousands(audit.total.into())
        )?;
    }
    writeln!(out)
}
