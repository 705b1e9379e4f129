//! The command `run`: its flags, its output and its exit code.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use openrun_load::progress::Clock;
use openrun_load::run::{self, RunConfig, Scenario};
use openrun_load::{Target, page, report};

use crate::{create, interrupted};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Who comes, and how
    #[arg(value_enum)]
    scenario: Scenario,
    /// Where openrun answers
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    target: String,
    /// A coupon that exists there; may be given several times. Otherwise the run makes its own
    #[arg(long, value_name = "ID")]
    coupon: Vec<String>,
    /// How many coupons `mixed` makes
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    coupons: u16,
    /// How many there are of each coupon that the run makes
    #[arg(long, default_value_t = 10_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stock: u32,
    /// For making coupons, where the service has a token
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// Members a second: an open loop, in which latency counts from when a member meant to ask. Several, as in
    /// 500,1000,2000, are steps. Without it, each connection asks again as soon as it is answered
    #[arg(long, value_delimiter = ',', value_name = "N")]
    rate: Vec<f64>,
    /// How long it lasts, or each step does
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    seconds: f64,
    /// How many members a `burst` has; each takes a connection
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    members: u64,
    /// How many connections there are, but for a `burst`
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// How many threads put the load on
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// What members are called, before their number
    #[arg(long, default_value = "member-", value_name = "TEXT")]
    member_prefix: String,
    /// How long a request may take
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    timeout_ms: u64,
    /// Compare what members were told with the rows in this PostgreSQL
    #[arg(long, env = "OPENRUN_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// How long rows may take to arrive after the last answer
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    settle: u64,
    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the figures and plots to this file, as one page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("it takes from 0.01 to 86400 seconds".to_owned()),
    }
}

/// Runs it; whether every promise was kept.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<bool> {
    // Opened ahead: a path that cannot be written to should not cost a whole run.
    let json = args.report.as_ref().map(create).transpose()?;
    let html = args.html.as_ref().map(create).transpose()?;
    let config = config(args).await?;
    // What the system does not allow is refused by it when it comes to that.
    let _as_many_as_allowed = rlimit::increase_nofile_limit(u64::MAX);
    let bar = Clock::new(config.takes());
    let done = run::run(&config, |now| bar.show(now.elapsed, now.ended), interrupted()).await;
    bar.clear();
    let report = done?;
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
    config.coupons_made = args.coupons.into();
    config.stock = args.stock;
    config.admin_token = args.admin_token;
    config.rates = args.rate;
    config.lasts = Duration::from_secs_f64(args.seconds);
    config.members = args.members;
    config.connections = args.connections as usize;
    config.threads = args.threads.into();
    config.member_prefix = args.member_prefix;
    config.request_timeout = Duration::from_millis(args.timeout_ms);
    config.database_url = args.database_url;
    config.settle = Duration::from_secs(args.settle);
    Ok(config)
}
