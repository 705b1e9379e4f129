//! Prints the results of a bench.

use std::io;

use super::burst::Burst;
use super::figures::{BenchReport, Path, Summary};
use super::growth::Growth;
use super::idle::Idle;
use crate::format::thousands;

/// Writes a table of each path, the targets and the verdict.
pub fn write(out: &mut impl io::Write, report: &BenchReport) -> io::Result<()> {
    writeln!(
        out,
        "Medians of {} rounds of {} s, {} connections, {} processors for server, services and load together.",
        report.rounds, report.seconds, report.connections, report.processors
    )?;
    for path in [Path::SoldOut, Path::Issuing] {
        let of_path: Vec<&Summary> = report.summaries.iter().filter(|summary| summary.path == path).collect();
        if !of_path.is_empty() {
            write_path(out, path, &of_path)?;
        }
    }
    if !report.targets.is_empty() {
        writeln!(out, "\n{:<52}{:>10}{:>10}", "Target", "measured", "at least")?;
    }
    for target in &report.targets {
        let met = if target.met { "met" } else { "MISSED" };
        let measured = number(target.seen);
        let least = number(target.least);
        writeln!(out, "{:<52}{measured:>10}{least:>10}  {met}", target.what)?;
    }
    writeln!(out)?;
    if report.holds() {
        return writeln!(out, "Every answer was true.");
    }
    writeln!(out, "The promise is broken:")?;
    report.violations.iter().try_for_each(|violation| writeln!(out, "  - {violation}"))
}

fn write_path(out: &mut impl io::Write, path: Path, summaries: &[&Summary]) -> io::Result<()> {
    let title = if path == Path::SoldOut { "Sold out" } else { "Issuing" };
    let has_rows = summaries.iter().any(|summary| summary.rows_per_second.is_some());
    let has_wrk = summaries.iter().any(|summary| summary.wrk_per_second.is_some());
    let baseline = format!("to {}", path.baseline());
    write!(
        out,
        "\n{title:<26}{:>10}{baseline:>17}{:>9}{:>9}{:>9}{:>9}",
        "answers/s", "p50 ms", "p99 ms", "cpu µs", "load µs"
    )?;
    write!(out, "{:>8}", "errors")?;
    if has_rows {
        write!(out, "{:>10}{:>7}", "rows/s", "ratio")?;
    }
    if has_wrk {
        write!(out, "{:>10}{:>7}", "wrk/s", "ratio")?;
    }
    writeln!(out)?;
    for summary in summaries {
        let ratio = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let rate = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| thousands(value as u64));
        let us = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| format!("{us:.1}"));
        let cpu = us(summary.cpu_us_per_request);
        let load = us(summary.load_us_per_request);
        let Summary { contender, per_second, p50_ms, p99_ms, errors, .. } = summary;
        write!(out, "{contender:<26}{:>10}{:>17}", thousands(*per_second as u64), ratio(summary.ratio))?;
        write!(out, "{p50_ms:>9.2}{p99_ms:>9.2}{cpu:>9}{load:>9}{errors:>8}")?;
        if has_rows {
            write!(out, "{:>10}{:>7}", rate(summary.rows_per_second), ratio(summary.rows_ratio))?;
        }
        if has_wrk {
            write!(out, "{:>10}{:>7}", rate(summary.wrk_per_second), ratio(summary.wrk_ratio))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A rate without decimals, or a ratio with two.
fn number(value: f64) -> String {
    if value >= 100.0 { thousands(value as u64) } else { format!("{value:.2}") }
}

pub fn write_growth(out: &mut impl io::Write, growths: &[Growth]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<24}{:<30}{:>12}{:>12}{:>8}",
        "Issuing", "few against many", "few/s", "many/s", "ratio"
    )?;
    for growth in growths {
        let Growth { engine, of, sizes: (few, many), few_per_second, many_per_second, ratio, .. } = growth;
        let few_per_second = thousands(*few_per_second as u64);
        let many_per_second = thousands(*many_per_second as u64);
        writeln!(out, "{engine:<24}{of:<30}{few_per_second:>12}{many_per_second:>12}{ratio:>8.2}")?;
        writeln!(out, "{:<24}{} against {}", "", thousands(*few), thousands(*many))?;
    }
    Ok(())
}

pub fn write_bursts(out: &mut impl io::Write, bursts: &[Burst]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<24}{:<12}{:<14}{:>9}{:>9}{:>9}{:>9}{:>8}",
        "All at once", "coupons", "connections", "mean ms", "p50 ms", "p99 ms", "max ms", "errors"
    )?;
    for burst in bursts {
        let connections = if burst.connecting { "new" } else { "already open" };
        let ms = burst.latency_ms;
        let errors = burst.counts.errors();
        writeln!(
            out,
            "{:<24}{:<12}{connections:<14}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{errors:>8}",
            burst.engine,
            burst.stock.label(),
            ms.mean,
            ms.p50,
            ms.p99,
            ms.max
        )?;
    }
    Ok(())
}

pub fn write_idle(out: &mut impl io::Write, idles: &[Idle]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<24}{:>12}{:>7}{:>10}{:>10}{:>12}",
        "Held at once", "connections", "nodes", "failures", "KiB each", "MiB in all"
    )?;
    for idle in idles {
        let each = idle.bytes_per_connection / 1_024.0;
        let all = idle.with_all_bytes as f64 / 1_048_576.0;
        let connections = thousands(idle.connections);
        let failures = thousands(idle.failures);
        writeln!(
            out,
            "{:<24}{connections:>12}{:>7}{failures:>10}{each:>10.1}{all:>12.0}",
            idle.engine, idle.nodes
        )?;
    }
    Ok(())
}
