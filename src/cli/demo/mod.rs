//! `openrun demo`: starts a node, runs a race of HTTP clients against it, and judges the rows in the database.

mod audit;
mod stage;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use openrun_load::{Bar, Figures, RaceConfig, RaceReport, Report, Target, Verdict, format, race};
use serde::Serialize;

use self::audit::Audit;
use self::stage::Stage;
use super::args::DemoArgs;
use super::failure::Failure;
use super::runtime;
use crate::telemetry::DEMO_FILTER;

/// Fields that the demo adds to the figures of the race in its JSON report.
#[derive(Debug, Serialize)]
struct Extra {
    engine: &'static str,
    stock: u32,
    rows: usize,
    oversold: usize,
    duplicates: usize,
}

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let _traces = args.common.begin_telemetry(DEMO_FILTER)?;
    allow_connections(args)?;
    runtime::run(async {
        // Before the race, so that a report file that cannot be written fails at once.
        let mut file = args.report.as_ref().map(create).transpose()?;
        let stage = Stage::prepare(args).await?;
        let outcome = run_race(args, &stage).await;
        let verdict = match &outcome {
            Ok((race, audit)) => Ok(report(args, &stage, race, audit, file.as_mut())?),
            Err(failure) => Err(failure),
        };
        if args.keep_serving && verdict.is_ok() {
            let address = stage.node.address;
            line(format_args!("Serving on http://{address} (see http://{address}/docs). Ctrl-C ends it."))?;
            runtime::wait_for_stop_signal().await?;
        }
        stage.stop().await;
        let holds = verdict.is_ok_and(|verdict| verdict.holds());
        outcome.map(|_| if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Raises the limit of open files: both ends of every connection are in this process.
fn allow_connections(args: &DemoArgs) -> Result<(), Failure> {
    let files_per_client = if args.double_click > 0.0 { 4 } else { 2 };
    let needed = u64::from(args.clients) * files_per_client + 512;
    // The result is checked below, by the limit itself.
    let _raised = rlimit::increase_nofile_limit(needed.max(8_192));
    let allowed = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    if allowed < needed {
        let clients = args.clients;
        let remedy = match files_per_client {
            4 => ", --double-click 0, or raise `ulimit -n`",
            _ => " or raise `ulimit -n`",
        };
        return Err(Failure::operator(format!(
            "{clients} clients need {needed} open files, but this system allows {allowed}: use fewer --clients{remedy}"
        )));
    }
    Ok(())
}

fn create(path: &PathBuf) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path).map_err(|error| {
        Failure::operator(format!("the report {} cannot be written: {error}", path.display()))
    })
}

async fn run_race(args: &DemoArgs, stage: &Stage) -> Result<(RaceReport, Audit), Failure> {
    line(format_args!(
        "{} members race for {} coupons on the engine {} ...",
        format::thousands(args.members),
        format::thousands(u64::from(args.stock)),
        stage.node.backend.engine.name(),
    ))?;
    let config = RaceConfig {
        clients: usize::from(args.clients),
        double_click: args.double_click,
        ..RaceConfig::new(Target::from(stage.node.address), stage.coupon.as_str(), args.members)
    };
    let bar = Bar::new(args.members);
    let outcome = race::run(config, &bar).await;
    bar.clear();
    let race = outcome.map_err(|error| Failure::Refused(format!("the race failed: {error}")))?;
    let audit = Audit::of(&stage.node.backend, &stage.coupon, &race).await?;
    Ok((race, audit))
}

/// Prints race and verdict, and writes the JSON report.
fn report(
    args: &DemoArgs,
    stage: &Stage,
    race: &RaceReport,
    audit: &Audit,
    file: Option<&mut std::fs::File>,
) -> Result<Verdict, Failure> {
    let verdict = Verdict::of(race, Some(args.stock)).and(audit.violations(args, race));
    let out = &mut io::stdout().lock();
    openrun_load::report::write_text(out, race)
        .and_then(|()| audit.write(out, args.stock))
        .and_then(|()| openrun_load::report::write_verdict(out, &verdict))
        .map_err(unwritable)?;
    if let Some(file) = file {
        let figures = Figures {
            issued: audit.rows.len() as u64,
            distinct_members: audit.distinct_members() as u64,
            ..Figures::from(race)
        };
        let extra = Extra {
            engine: stage.node.backend.engine.name(),
            stock: args.stock,
            rows: audit.rows.len(),
            oversold: audit.oversold(args.stock),
            duplicates: audit.duplicates(),
        };
        Report { figures, extra, verdict: verdict.clone() }.write_json(file).map_err(unwritable)?;
    }
    Ok(verdict)
}

fn line(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(unwritable)
}

fn unwritable(error: impl std::fmt::Display) -> Failure {
    Failure::operator(format!("the result cannot be written: {error}"))
}
