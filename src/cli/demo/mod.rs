//! `openrun demo`: a node of its own, a crowd of real HTTP clients, and a verdict read from the database.

mod audit;
mod stage;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use openrun_load::{Bar, Figures, RaceConfig, RaceReport, Report, Target, Verdict, format, race, report};
use serde::Serialize;

use self::audit::Audit;
use self::stage::Stage;
use super::args::DemoArgs;
use super::failure::Failure;
use super::runtime;
use crate::telemetry::DEMO_FILTER;

/// What the demo adds to the figures of the race in its JSON report.
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
        // A report that cannot be written should not be found out about after the race.
        let mut file = args.report.as_ref().map(create).transpose()?;
        let stage = Stage::set(args).await?;
        let played = play(args, &stage).await;
        let verdict = match &played {
            Ok((race, audit)) => Ok(tell(args, &stage, race, audit, file.as_mut())?),
            Err(failure) => Err(failure),
        };
        if args.keep_serving && verdict.is_ok() {
            let address = stage.node.address;
            line(format_args!("Serving on http://{address} (see http://{address}/docs). Ctrl-C ends it."))?;
            runtime::until_told_to_stop().await?;
        }
        stage.strike().await;
        let verdict = verdict.is_ok_and(|verdict| verdict.holds());
        played.map(|_| if verdict { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Thousands of clients and as many server ends live in this one process, and each is an open file.
fn allow_connections(args: &DemoArgs) -> Result<(), Failure> {
    let a_client = if args.double_click > 0.0 { 4 } else { 2 };
    let wanted = u64::from(args.clients) * a_client + 512;
    // Where the limit cannot be raised it stays what it is.
    let _raised_or_not = rlimit::increase_nofile_limit(wanted.max(8_192));
    let allowed = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    if allowed < wanted {
        let clients = args.clients;
        return Err(Failure::operator(format!(
            "{clients} clients need {wanted} open files, but this system allows {allowed}: use fewer --clients{}",
            if a_client == 4 { ", --double-click 0, or raise `ulimit -n`" } else { " or raise `ulimit -n`" }
        )));
    }
    Ok(())
}

fn create(path: &PathBuf) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path).map_err(|error| {
        Failure::operator(format!("the report {} cannot be written: {error}", path.display()))
    })
}

async fn play(args: &DemoArgs, stage: &Stage) -> Result<(RaceReport, Audit), Failure> {
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
    let raced = race::run(config, &bar).await;
    bar.clear();
    let raced = raced.map_err(|error| Failure::Refused(format!("the race could not be run: {error}")))?;
    let audit = Audit::of(&stage.node.backend, &stage.coupon, &raced).await?;
    Ok((raced, audit))
}

/// Prints the race and the verdict, and writes the report.
fn tell(
    args: &DemoArgs,
    stage: &Stage,
    race: &RaceReport,
    audit: &Audit,
    file: Option<&mut std::fs::File>,
) -> Result<Verdict, Failure> {
    let verdict = Verdict::of(race, Some(args.stock)).and(audit.violations(args, race));
    let out = &mut io::stdout().lock();
    let printed = report::write_text(out, race)
        .and_then(|()| audit.write(out, args.stock))
        .and_then(|()| report::write_verdict(out, &verdict));
    printed.map_err(|error| output(&error))?;
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
        Report { figures, extra, verdict: verdict.clone() }
            .write_json(file)
            .map_err(|error| output(&error))?;
    }
    Ok(verdict)
}

fn line(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| output(&error))
}

fn output(error: &io::Error) -> Failure {
    Failure::operator(format!("the result cannot be written: {error}"))
}
