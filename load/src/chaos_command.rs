//! The command `chaos`: its flags, its output and its exit code.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use openrun_load::chaos::{self, Config, Length, PLANTED_BUGS, PlantedBug, Report, faults::FAULTS};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Seed that determines the order of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Duration of the run; the fault under way at its end is finished
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = minutes, conflicts_with = "once")]
    minutes: f64,
    /// Instead of a duration: inject every fault once, in an order determined by the seed
    #[arg(long)]
    once: bool,
    /// Inject only these faults
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    faults: Vec<String>,
    /// List all faults and planted bugs, and exit
    #[arg(long)]
    list_faults: bool,
    /// Activate this bug and inject the faults that reveal it: the run must end with exit code 1
    #[arg(long, value_name = "BUG", conflicts_with_all = ["faults", "minutes", "once"])]
    planted: Option<String>,
    /// Inject the same faults without the bug
    #[arg(long, requires = "planted")]
    without: bool,
    /// The binary under test [default: openrun sibling this one]
    #[arg(long, env = "OPENRUN_BIN", value_name = "PATH")]
    openrun: Option<PathBuf>,
    /// Number of nodes
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// Number of concurrent members
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    clients: u32,
    /// Average pause of each member between two requests
    #[arg(long, default_value_t = 60, value_name = "MS")]
    think_ms: u64,
    /// A recovery that takes longer is a violation
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    recovery_limit: u64,
    /// Limit on waiting for a node to serve again, and for an unanswered request
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience: u64,
    /// Limit on the time that issuances take to arrive in the database at the end
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    settle_limit: u64,
    /// Keep the history and the logs in this folder; without it they are kept only after a violation
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.05..=10_000.0).contains(&minutes) => Ok(minutes),
        _ => Err("a run takes from 0.05 to 10000 minutes".to_owned()),
    }
}

/// Runs the scenario. Returns whether all invariants hold.
pub(crate) async fn run(args: ChaosArgs) -> anyhow::Result<bool> {
    if args.list_faults {
        list(io::stdout().lock())?;
        return Ok(true);
    }
    // Opens the file first: a path that cannot be written must not cost a whole run.
    let file = args.report.as_ref().map(|path| {
        File::create(path).with_context(|| format!("cannot write the report to {}", path.display()))
    });
    let file = file.transpose()?;
    let config = config(args)?;
    say(&format!("chaos: seed {}, {} nodes, {} clients", config.seed, config.nodes, config.clients));
    let report = until_interrupted(config).await?;
    report.write_text(&mut io::stdout().lock())?;
    if let Some(file) = file {
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(report.holds())
}

fn config(args: ChaosArgs) -> anyhow::Result<Config> {
    let openrun = args.openrun.map_or_else(beside_this, Ok)?;
    // Nodes are started in the root folder, so that they do not depend on the current one.
    let openrun = std::path::absolute(&openrun).with_context(|| openrun.display().to_string())?;
    let mut config = Config::new(openrun, args.seed);
    config.length =
        if args.once { Length::Once } else { Length::For(Duration::from_secs_f64(args.minutes * 60.0)) };
    config.nodes = args.nodes.into();
    config.clients = args.clients;
    config.think = Duration::from_millis(args.think_ms);
    config.faults = args.faults;
    config.recovery_limit = Duration::from_secs(args.recovery_limit);
    config.patience = Duration::from_secs(args.patience);
    config.settle_limit = Duration::from_secs(args.settle_limit);
    config.keep = args.keep;
    if let Some(name) = &args.planted {
        let names = || PLANTED_BUGS.iter().map(|bug| bug.name).collect::<Vec<_>>().join(", ");
        let Some(bug) = PlantedBug::named(name) else {
            bail!("there is no bug {name}; the bugs are {}", names())
        };
        if args.without {
            bug.leave_out(&mut config);
        } else {
            bug.plant(&mut config);
        }
    }
    Ok(config)
}

pub(crate) fn beside_this() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("the path of this program cannot be found")?;
    let sibling = this.with_file_name("openrun");
    if sibling.is_file() {
        return Ok(sibling);
    }
    bail!("there is no openrun at {}: build it, or name it by --openrun", sibling.display())
}

/// Runs the scenario in a task of its own: a panic (a service did not start) or an interrupt drops the task, which ends
/// every started process.
async fn until_interrupted(config: Config) -> anyhow::Result<Report> {
    let started = Instant::now();
    let tell = move |line: &str| say(&format!("{:6.1} s  {line}", started.elapsed().as_secs_f64()));
    let mut running = tokio::spawn(chaos::run(config, tell));
    let mut terminated = signal(SignalKind::terminate())?;
    let ended = tokio::select! {
        ended = &mut running => ended,
        _ = tokio::signal::ctrl_c() => {
            running.abort();
            running.await
        }
        _ = terminated.recv() => {
            running.abort();
            running.await
        }
    };
    match ended {
        Ok(report) => Ok(report?),
        Err(ended) if ended.is_cancelled() => Err(anyhow!("interrupted: the run has no verdict")),
        Err(panicked) => Err(anyhow!("{}", reason(panicked))),
    }
}

pub(crate) fn reason(panicked: tokio::task::JoinError) -> String {
    let payload = panicked.into_panic();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("the run panicked").to_owned()
}

fn list(mut out: impl Write) -> io::Result<()> {
    for fault in FAULTS {
        writeln!(out, "{:28}{}", fault.name, fault.about)?;
    }
    writeln!(out, "\nBugs for --planted:")?;
    for bug in PLANTED_BUGS {
        writeln!(out, "{:28}{}", bug.name, bug.about)?;
    }
    Ok(())
}

/// Prints a line of progress to standard error.
pub(crate) fn say(line: &str) {
    let mut out = io::stderr().lock();
    let end = if out.is_terminal() { "\x1b[K\n" } else { "\n" };
    // A closed standard error leaves nothing to do.
    let _closed = write!(out, "{line}{end}");
}
