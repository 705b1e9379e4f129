//! Renders a run as one HTML page without external resources.

mod markup;
mod plot;

use std::fmt::Write as _;
use std::time::Duration;

use self::markup::escape;
use self::plot::{Axis, Curve, Plot};
use crate::drive::Slice;
use crate::format::{human, thousands};
use crate::latency::LatencyMs;
use crate::report::Verdict;
use crate::run::RunReport;
use crate::run::report::{describe, outcome_rows};

const STYLE: &str = include_str!("style.css");

#[must_use]
pub fn render(report: &RunReport) -> String {
    let title = escape(&describe(report));
    let sections = [
        render_summary(report),
        latency_plot(report).draw(),
        throughput_plot(report).draw(),
        error_plot(report).draw(),
        coupon_table(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>openrun: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p class=\"target\">{}</p>\n{}\n</main>\n</body>\n</html>\n",
        escape(&report.target),
        sections.join("\n")
    )
}

fn render_summary(report: &RunReport) -> String {
    let LatencyMs { p50, p90, p99, max, mean } = report.latency_ms;
    let ms = |ms: f64| human(Duration::from_secs_f64(ms / 1e3));
    let mut cells = vec![
        ("verdicts a second", thousands(report.answers_per_second as u64)),
        ("coupons a second", thousands(report.issued_per_second as u64)),
        ("mean", ms(mean)),
        ("p50", ms(p50)),
        ("p90", ms(p90)),
        ("p99", ms(p99)),
        ("slowest", ms(max)),
        ("took", human(Duration::from_millis(report.duration_ms))),
    ];
    let counts = outcome_rows(&report.counts).into_iter().filter(|(_, count, always)| *always || *count > 0);
    cells.extend(counts.map(|(label, count, _)| (label, thousands(count))));
    let mut html = render_verdict(&report.verdict);
    html.push_str("<dl>\n");
    for (label, value) in cells {
        let _infallible = writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(label), escape(&value));
    }
    html + "</dl>"
}

fn render_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds => "<p class=\"held\">The promise held.</p>\n".to_owned(),
        Verdict::Broken(violations) => {
            let items: String =
                violations.iter().map(|violation| format!("<li>{}</li>\n", escape(violation))).collect();
            format!("<div class=\"broken\"><p>The promise is broken:</p>\n<ul>\n{items}</ul></div>\n")
        }
    }
}

/// Draws each further nine at the same distance, so that the slowest answers get as much room as the rest.
fn latency_plot(report: &RunReport) -> Plot<'_> {
    let nines = |percent: f64| -(1.0 - percent / 100.0).max(1e-6).log10();
    let points: Vec<(f64, f64)> =
        report.curve_ms.iter().map(|(percent, ms)| (nines(*percent), *ms)).collect();
    let furthest = points.last().map_or(1.0, |point| point.0).max(1.0);
    let marks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
    let marks = marks.into_iter().filter(|percent| nines(*percent) <= furthest + 1e-9);
    Plot {
        title: "Latency by percentile",
        x: Axis {
            label: "percent of requests",
            marks: marks.map(|at| (nines(at), at.to_string())).collect(),
        },
        y_label: "ms",
        curves: vec![Curve { name: "latency", points }],
    }
}

/// The name of a curve, and its value in a slice.
type Counter<'a> = (&'a str, fn(&Slice) -> u64);

/// Plots the value of each slice, as a rate per second.
fn plot_over_time<'a>(report: &RunReport, title: &'static str, curves: &[Counter<'a>]) -> Plot<'a> {
    let slice_s = report.slice_ms.max(1) as f64 / 1e3;
    let curve = |(name, value): &Counter<'a>| {
        let slices = report.slices.iter().enumerate();
        let points = slices.map(|(nth, slice)| ((nth as f64 + 0.5) * slice_s, value(slice) as f64 / slice_s));
        Curve { name, points: points.collect() }
    };
    let end = report.slices.len() as f64 * slice_s;
    Plot {
        title,
        x: Axis { label: "seconds", marks: plot::round_marks(end) },
        y_label: "a second",
        curves: curves.iter().map(curve).collect(),
    }
}

fn throughput_plot(report: &RunReport) -> Plot<'_> {
    plot_over_time(
        report,
        "Throughput over time",
        &[("verdicts", |slice| slice.answered), ("coupons issued", |slice| slice.issued)],
    )
}

fn error_plot(report: &RunReport) -> Plot<'_> {
    plot_over_time(report, "Errors over time", &[("shed, unknown or unexpected", |slice| slice.errors)])
}

fn coupon_table(report: &RunReport) -> String {
    let mut html = String::from(
        "<section>\n<h2>Coupons at the end</h2>\n<table>\n\
         <tr><th>coupon</th><th>total</th><th>issued</th><th>in the answers</th><th>rows</th></tr>\n",
    );
    for audit in &report.audits {
        let rows = audit.rows.map_or_else(|| "not checked".to_owned(), thousands);
        let _infallible = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{rows}</td></tr>",
            escape(&audit.coupon_id),
            thousands(audit.total.into()),
            thousands(audit.issued.into()),
            thousands(audit.answered_members)
        );
    }
    html + "</table>\n</section>"
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
