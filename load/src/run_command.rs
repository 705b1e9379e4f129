//! The command `run`: its flags, its output and its exit code.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use openrun_load::progress::TimedBar;
use openrun_load::run::{self, RunConfig, Scenario};
use openrun_load::{Target, page, report};

use crate::{create, interrupted};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The load to generate
    #[arg(value_enum)]
    scenario: Scenario,
    /// The address of openrun
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    target: String,
    /// An existing coupon; may be given several times. Without it, the run creates its own
    #[arg(long, value_name = "ID")]
    coupon: Vec<String>,
    /// Number of coupons that `mixed` creates
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    coupons: u16,
    /// Total of each coupon that the run creates
    #[arg(long, default_value_t = 10_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stock: u32,
    /// Token for creating coupons, if the service has one
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// Members a second: an open loop, in which latency counts from the time a request was due. Several, as
    /// in 500,1000,2000, are stages. Without it, each connection sends the next request as soon as the last
    /// is answered
    #[arg(long, value_delimiter = ',', value_name = "N")]
    rate: Vec<f64>,
    /// Duration of the run, or of each stage
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// Number of members of a `burst`; each takes a connection
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    members: u64,
    /// Number of connections, except for a `burst`
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Number of threads that generate load
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Start of every member id, before the member's number
    #[arg(long, default_value = "member-", value_name = "TEXT")]
    member_prefix: String,
    /// Limit on a request
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    timeout_ms: u64,
    /// Compare the answers with the rows in this PostgreSQL
    #[arg(long, env = "OPENRUN_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Limit on the time that rows take to arrive after the last answer
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    settle: u64,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the results and plots to this file, as one page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("it takes from 0.01 to 86400 seconds".to_owned()),
    }
}

/// Runs the scenario. Returns whether all invariants hold.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<bool> {
    // Opens the files first: a path that cannot be written must not cost a whole run.
    let json = args.report.as_ref().map(create).transpose()?;
    let html = args.html.as_ref().map(create).transpose()?;
    let config = config(args).await?;
    // A limit that cannot be raised shows when it is reached.
    let _raised_as_far_as_permitted = rlimit::increase_nofile_limit(u64::MAX);
    let bar = TimedBar::new(config.expected_duration());
    let result = run::run(&config, |now| bar.show(now.elapsed, now.ended), interrupted()).await;
    bar.clear();
    let report = result?;
    let mut out = io::stdout().lock();
    run::write_text(&mut out, &report)?;
    report::write_verdict(&mut out, &report.verdict)?;
    if let Some(mut json) = json {
        report.write_json(&mut json)?;
    }
    if let Some(html) = html {
        write_page(html, &report).context("the page cannot be written")?;
    }
    Ok(report.verdict.holds())
}

fn write_page(mut file: File, report: &run::RunReport) -> io::Result<()> {
    file.write_all(page::render(report).as_bytes())
}

async fn config(args: RunArgs) -> anyhow::Result<RunConfig> {
    let mut config = RunConfig::new(Target::resolve(&args.target).await?, args.scenario);
    config.coupons = args.coupon;
    config.coupon_count = args.coupons.into();
    config.stock = args.stock;
    config.admin_token = args.admin_token;
    config.rates = args.rate;
    config.duration = Duration::from_secs_f64(args.seconds);
    config.members = args.members;
    config.connections = args.connections as usize;
    config.threads = args.threads.into();
    config.member_prefix = args.member_prefix;
    config.request_timeout = Duration::from_millis(args.timeout_ms);
    config.database_url = args.database_url;
    config.settle_timeout = Duration::from_secs(args.settle);
    Ok(config)
}
