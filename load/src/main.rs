//! The command line of the load generator.

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

/// The exit code for a broken invariant.
const BROKEN: u8 = 1;
/// The exit code for a run that could not be made as requested, as clap has it, too.
const USAGE: u8 = 2;

/// Generates load on openrun over HTTP, and checks that all answers are true.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Generate load on a running service, and compare the answers with the service's state.
    Run(RunArgs),
    /// Many members race for one coupon, some of them clicking twice at the same moment.
    Race(RaceArgs),
    /// Break Redis, RabbitMQ, PostgreSQL, nodes and the links between them while members request coupons, and
    /// check every answer.
    ///
    /// Starts all services for this run alone, and removes them afterwards.
    Chaos(ChaosArgs),
    /// Members come at a steady rate while PostgreSQL is down for minutes; compare their answers with the
    /// time before.
    Outage(OutageArgs),
    /// Measure every engine and minimal handlers in rounds, and print medians and ratios.
    ///
    /// Starts all services for this run alone, and removes them afterwards.
    Bench(BenchArgs),
    /// Hold connections for `bench --idle`.
    #[command(hide = true)]
    Hold(HoldArgs),
    /// Serve a minimal handler to compare with.
    Bare(BareArgs),
}

#[derive(Debug, Args)]
struct RaceArgs {
    /// The address of openrun.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The id of a coupon that exists there and is open.
    #[arg(long)]
    coupon: String,
    /// Number of members.
    #[arg(long, default_value_t = 100_000)]
    members: u64,
    /// Number of members that request at the same time; each takes a connection, and a second one for a
    /// double click.
    #[arg(long, default_value_t = 256)]
    clients: usize,
    /// Fraction of the members that click twice, from 0 to 1.
    #[arg(long, default_value_t = 0.1)]
    double_click: f64,
    /// Start of every member id, before the member's number; a second race for a coupon needs another one.
    #[arg(long, default_value = "member-")]
    member_prefix: String,
    /// Limit on a request, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// Number of requests after which a click gives up.
    #[arg(long, default_value_t = 60)]
    attempts: u32,
    /// Write the results to this file, as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let verdict_holds = match Cli::parse().scenario {
        Scenario::Race(args) => block_on(run_race(args)).map(|verdict| verdict == Verdict::Holds),
        Scenario::Run(args) => block_on(run_command::run(args)),
        Scenario::Chaos(args) => block_on(chaos_command::run(args)),
        Scenario::Outage(args) => block_on(outage_command::run(args)),
        Scenario::Bench(args) => block_on(bench_command::run(args)),
        Scenario::Hold(args) => block_on(bench_command::hold(args)),
        // Creates a runtime of its own.
        Scenario::Bare(args) => bare_command::run(args),
    };
    match verdict_holds {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(BROKEN),
        Err(error) => {
            // A closed standard error leaves nothing to do.
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
    config.retry.attempts = args.attempts;
    // Opens the file first: a path that cannot be written must not cost a whole race.
    let file = args.report.as_ref().map(create).transpose()?;

    let coupon = preflight::check_coupon(&config.target, &config.coupon_id, config.request_timeout).await?;
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

/// Ctrl-C ends the race, not the report. If the signal cannot be received, the race goes on.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
