//! The command line: parse, dispatch, and turn what went wrong into one line and an exit code.

mod actors;
mod answer;
mod api_client;
mod args;
mod bar;
mod conflicts;
mod coupons;
mod dead_letters;
mod demo;
mod failure;
mod lost_numbers;
mod migrate;
mod place;
mod reconcile;
mod runtime;
mod serve;
mod settings;
mod table;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::{Cli, Command};
use failure::Failure;

use crate::sabotage::{abort, planted};

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    abort::visit(abort::STARTED);
    if let Some(name) = planted::unknown() {
        return Failure::operator(format!("OPENRUN_PLANTED_BUG: there is no bug {name}")).report();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    // TLS of every client goes through the one provider; a second call would only find the first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// A value that is none is the mistake of whoever set it, and told like any other; the rest is told as clap tells it.
fn not_understood(error: &clap::Error) -> ExitCode {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        error.exit();
    }
    let text = error.to_string();
    let said = text.split("For more information").next().unwrap_or(&text);
    Failure::operator(said.strip_prefix("error: ").unwrap_or(said)).report()
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Migrate(args) => migrate::run(args),
        Command::Coupons(args) => coupons::run(&args),
        Command::Actors(args) => actors::run(&args),
        Command::Conflicts(args) => conflicts::run(&args),
        Command::DeadLetters(args) => dead_letters::run(&args),
        Command::LostNumbers(args) => lost_numbers::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Verify(args) => verify::run(&args),
    }
}
