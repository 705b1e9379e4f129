//! The command `bench`: its flags, its output and its exit code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use openrun_load::Target;
use openrun_load::bench::burst::Burst;
use openrun_load::bench::config::ENGINES;
use openrun_load::bench::growth::{Growth, Sizes};
use openrun_load::bench::idle::Idle;
use openrun_load::bench::{self, BenchConfig, BenchReport, Variant, burst, growth, idle, table};
use serde::Serialize;

use crate::chaos_command::{beside_this, say};
use crate::create;
use crate::run_command::seconds;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Number of rounds; the results are medians over them
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Duration of each measurement
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Duration of the warm-up before each measurement
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    warm_up: f64,
    /// Number of connections
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Number of threads that generate load
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Engines to measure, by the names that OPENRUN_ENGINE takes
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_values_t = ENGINES.iter().map(ToString::to_string))]
    engines: Vec<String>,
    /// Measure each engine once more with these settings, as in quiet:OPENRUN_LOG=error; may be given several
    /// times
    #[arg(long, value_name = "NAME:SETTINGS")]
    variant: Vec<Variant>,
    /// Measure the stack in load/peers/fastapi, too; it is installed by pip
    #[arg(long)]
    peers: bool,
    /// Measure "sold out" by wrk, too, which must be installed
    #[arg(long)]
    wrk: bool,
    /// Instead of the rounds: compare few with many participants, and few with many coupons
    #[arg(long)]
    growth: bool,
    /// With --growth: the two numbers of participants to compare
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 1_000_000], value_name = "N", requires = "growth")]
    participants: Vec<u64>,
    /// With --growth: the two numbers of coupons to compare
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000], value_name = "N", requires = "growth")]
    coupons: Vec<usize>,
    /// Instead of the rounds: this many members request a coupon at the same moment
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    burst: Option<u64>,
    /// Instead of the rounds: hold this many connections at once
    #[arg(long, value_name = "CONNECTIONS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    idle: Option<u64>,
    /// The binary under test [default: openrun beside this one]
    #[arg(long, env = "OPENRUN_BIN", value_name = "PATH")]
    openrun: Option<PathBuf>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// The service to connect to
    #[arg(long, value_name = "URL")]
    target: String,
    /// Number of connections
    #[arg(long, value_name = "N")]
    connections: u64,
}

pub(crate) async fn hold(args: HoldArgs) -> anyhow::Result<bool> {
    bench::hold::hold(&Target::resolve(&args.target).await?, args.connections).await?;
    Ok(true)
}

/// Contains only the measurements that were made.
#[derive(Debug, Default, Serialize)]
struct Results {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rounds: Option<BenchReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    growth: Vec<Growth>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bursts: Vec<Burst>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    idle: Vec<Idle>,
}

/// Runs the bench. Returns whether the service kept its invariants.
pub(crate) async fn run(args: BenchArgs) -> anyhow::Result<bool> {
    // Opens the file first: a path that cannot be written must not cost a whole bench.
    let json = args.json.as_ref().map(create).transpose()?;
    // A task of its own, so that an interrupt or a panic ends every process that the bench has started.
    let mut running = tokio::spawn(measure(args));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = crate::interrupted() => {
            running.abort();
            running.await
        }
    };
    let results = match ended {
        Ok(results) => results?,
        Err(ended) if ended.is_cancelled() => return Err(anyhow!("interrupted: nothing was measured")),
        Err(panicked) => return Err(anyhow!("{}", crate::chaos_command::reason(panicked))),
    };
    print(&results, &mut io::stdout().lock())?;
    if let Some(mut json) = json {
        serde_json::to_writer_pretty(&mut json, &results)?;
        writeln!(json)?;
    }
    Ok(results.rounds.as_ref().is_none_or(BenchReport::holds))
}

async fn measure(args: BenchArgs) -> anyhow::Result<Results> {
    let config = config(&args)?;
    let mut results = Results::default();
    if args.growth {
        let (&[few, many], &[few_coupons, many_coupons]) = (&args.participants[..], &args.coupons[..]) else {
            bail!("few and many are two numbers, as in --participants 1000,1000000 and --coupons 1,1000");
        };
        let sizes = Sizes { participants: (few, many), coupons: (few_coupons, many_coupons) };
        results.growth = growth::run(&config, sizes, say).await?;
    }
    if let Some(members) = args.burst {
        results.bursts = burst::run(&config, members, say).await?;
    }
    if let Some(connections) = args.idle {
        results.idle = idle::run(&config, connections, say).await?;
    }
    if !args.growth && args.burst.is_none() && args.idle.is_none() {
        results.rounds = Some(bench::run(&config, say).await?);
    }
    Ok(results)
}

fn config(args: &BenchArgs) -> anyhow::Result<BenchConfig> {
    let openrun = args.openrun.clone().map_or_else(beside_this, Ok)?;
    // Nodes are started in the root folder, so that they do not depend on the current one.
    let openrun = std::path::absolute(&openrun).with_context(|| openrun.display().to_string())?;
    let mut config = BenchConfig::new(
        openrun,
        std::env::current_exe().context("the path of this program cannot be found")?,
    );
    config.engines.clone_from(&args.engines);
    config.variants.clone_from(&args.variant);
    config.rounds = args.rounds;
    config.duration = Duration::from_secs_f64(args.seconds);
    config.warm_up = Duration::from_secs_f64(args.warm_up);
    config.connections = args.connections as usize;
    config.threads = args.threads.into();
    config.peers = args.peers;
    config.wrk = args.wrk;
    Ok(config)
}

fn print(results: &Results, out: &mut impl Write) -> io::Result<()> {
    if let Some(rounds) = &results.rounds {
        table::write(out, rounds)?;
    }
    if !results.growth.is_empty() {
        table::write_growth(out, &results.growth)?;
    }
    if !results.bursts.is_empty() {
        table::write_bursts(out, &results.bursts)?;
    }
    if !results.idle.is_empty() {
        table::write_idle(out, &results.idle)?;
    }
    Ok(())
}
