//! The command line of the load generator: parse, race, print, and say by the exit code whether the promise held.

mod bare_command;
mod bench_command;
mod chaos_command;
mod outage_command;
mod run_command;

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use bare_command::BareArgs;
use bench_command::{BenchArgs, HoldArgs};
use chaos_command::ChaosArgs;
use clap::{Args, Parser, Subcommand};
use openrun_load::{Bar, Figures, RaceConfig, Report, Target, Verdict, preflight, race, report};
use outage_command::OutageArgs;
use run_command::RunArgs;

/// Something was promised and not kept.
const BROKEN: u8 = 1;
/// The race could not be run as asked. It is also what clap exits with.
const USAGE: u8 = 2;

/// Puts load on openrun over HTTP, and checks that what members are told holds.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Puts a load on a service that is there, and compares what members were told with what is so.
    Run(RunArgs),
    /// Many members race for one coupon, some of them clicking twice at the same moment.
    Race(RaceArgs),
    /// Breaks Redis, RabbitMQ, PostgreSQL, nodes and the ways between them while members ask, and checks every answer.
    ///
    /// Everything is started for this run alone, and gone afterwards.
    Chaos(ChaosArgs),
    /// Members come at a steady rate while PostgreSQL is away for minutes; compares what they notice with the time before.
    Outage(OutageArgs),
    /// Measures every engine beside handlers that do next to nothing, in rounds, and prints medians and ratios.
    ///
    /// Everything is started for this run alone, and gone afterwards.
    Bench(BenchArgs),
    /// Holds connections for `bench --idle`.
    #[command(hide = true)]
    Hold(HoldArgs),
    /// Serves a handler that does next to nothing, to compare with.
    Bare(BareArgs),
}

#[derive(Debug, Args)]
struct RaceArgs {
    /// Where openrun answers.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The id of a coupon that exists there and is open.
    #[arg(long)]
    coupon: String,
    /// How many members ask.
    #[arg(long, default_value_t = 100_000)]
    members: u64,
    /// How many of them ask at the same time; each takes a connection, and another one for a double click.
    #[arg(long, default_value_t = 256)]
    clients: usize,
    /// Which part of the members clicks twice, from 0 to 1.
    #[arg(long, default_value_t = 0.1)]
    double_click: f64,
    /// What members are called, before their number: a second race over a coupon wants another one.
    #[arg(long, default_value = "member-")]
    member_prefix: String,
    /// How long a request may take, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// How many requests a click may take before the member gives up.
    #[arg(long, default_value_t = 60)]
    attempts: u32,
    /// Write the figures to this file, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let held = match Cli::parse().scenario {
        Scenario::Race(args) => block_on(run_race(args)).map(|verdict| verdict == Verdict::Holds),
        Scenario::Run(args) => block_on(run_command::run(args)),
        Scenario::Chaos(args) => block_on(chaos_command::run(args)),
        Scenario::Outage(args) => block_on(outage_command::run(args)),
        Scenario::Bench(args) => block_on(bench_command::run(args)),
        Scenario::Hold(args) => block_on(bench_command::hold(args)),
        // It has threads of its own.
        Scenario::Bare(args) => bare_command::run(args),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            // Nothing is left to be done where standard error is closed.
            let _closed = writeln!(io::stderr(), "openrun-load: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new().context("no runtime can be started")?.block_on(work)
}

async fn run_race(args: RaceArgs) -> anyhow::Result<Verdict> {
    let mut config = RaceConfig::new(Target::resolve(&args.target).await?, args.coupon, args.members);
    config.clients = args.clients;
    config.double_click = args.double_click;
    config.member_prefix = args.member_prefix;
    config.request_timeout = Duration::from_millis(args.timeout_ms);
    config.patience.attempts = args.attempts;
    // Opened ahead: a path that cannot be written to should not cost a whole race.
    let file = args.report.as_ref().map(create).transpose()?;

    let coupon = preflight::look(&config.target, &config.coupon_id, config.request_timeout).await?;
    let bar = Bar::new(config.members);
    let outcome = race::run_until(config, &bar, interrupted()).await;
    bar.clear();
    let outcome = outcome?;

    let verdict = Verdict::of(&outcome, Some(coupon.total));
    let mut out = io::stdout().lock();
    report::write_text(&mut out, &outcome)?;
    writeln!(out)?;
    report::write_verdict(&mut out, &verdict)?;
    if let Some(mut file) = file {
        Report { figures: Figures::from(&outcome), extra: (), verdict: verdict.clone() }
            .write_json(&mut file)?;
    }
    Ok(verdict)
}

fn create(path: &PathBuf) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot write the report to {}", path.display()))
}

/// Ctrl-C ends the race, not the report. Where it cannot be listened for, the race just goes on.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
