//! The command line: parse, dispatch, and turn what went wrong into one line and an exit code.

mod actors;
mod answer;
mod api_client;
mod args;
mod coupons;
mod dead_letters;
mod demo;
mod failure;
mod migrate;
mod runtime;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::Parser as _;

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
    let cli = Cli::parse();
    // TLS of every client goes through the one provider; a second call would only find the first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Migrate(args) => migrate::run(args),
        Command::Coupons(args) => coupons::run(&args),
        Command::Actors(args) => actors::run(&args),
        Command::DeadLetters(args) => dead_letters::run(&args),
    }
}
