//! The command `outage`: its flags, its output and its exit code.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use openrun_load::chaos::outage::{self, OutageConfig, OutageReport, Phase};

use crate::chaos_command::{beside_this, say};

#[derive(Debug, Args)]
pub(crate) struct OutageArgs {
    /// Duration of the outage of PostgreSQL
    #[arg(long, default_value_t = 10.0, value_name = "N", value_parser = minutes)]
    minutes: f64,
    /// Members per second
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Duration of the time before and of the time after the outage
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    calm: u64,
    /// The binary under test [default: openrun beside this one]
    #[arg(long, env = "OPENRUN_BIN", value_name = "PATH")]
    openrun: Option<PathBuf>,
    /// Number of nodes
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.01..=1_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("an outage takes from 0.01 to 1000 minutes".to_owned()),
    }
}

/// Runs the scenario. Returns whether its invariants hold.
pub(crate) async fn run(args: OutageArgs) -> anyhow::Result<bool> {
    let file = args.report.as_ref().map(|path| {
        File::create(path).with_context(|| format!("cannot write the report to {}", path.display()))
    });
    let file = file.transpose()?;
    let openrun = args.openrun.map_or_else(beside_this, Ok)?;
    let config = OutageConfig {
        openrun: std::path::absolute(&openrun).with_context(|| openrun.display().to_string())?,
        rate: args.rate,
        outage: Duration::from_secs_f64(args.minutes * 60.0),
        calm: Duration::from_secs(args.calm),
        nodes: args.nodes.into(),
    };
    let running = outage::run(&config, say);
    let report = tokio::select! {
        done = running => done?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted: the run has no verdict"),
    };
    print(&report, &mut io::stdout().lock())?;
    if let Some(file) = file {
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(report.holds())
}

fn print(report: &OutageReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n           issued   others      p50      p90      p99       max (ms)")?;
    for (name, phase) in [("before", report.before), ("during", report.during), ("after", report.after)] {
        let Phase { issued, others, latency_ms: ms } = phase;
        writeln!(
            out,
            "{name:<8} {issued:>8} {others:>8} {:>8.1} {:>8.1} {:>8.1} {:>9.1}",
            ms.p50, ms.p90, ms.p99, ms.max
        )?;
    }
    let ratio = |of: fn(&Phase) -> f64| of(&report.during) / of(&report.before).max(f64::MIN_POSITIVE);
    let (p50, p99) = (ratio(|phase| phase.latency_ms.p50), ratio(|phase| phase.latency_ms.p99));
    writeln!(out, "during to before   p50 {p50:.2}, p99 {p99:.2}")?;
    writeln!(out, "backlog            {} written after {:.1} s", report.backlog, report.written_after_s)?;
    writeln!(out, "rows               {}, issued answers lost {}", report.rows, report.lost)?;
    writeln!(out, "{}", if report.holds() { "held" } else { "BROKEN" })
}
