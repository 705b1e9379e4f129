//! The command line: parses and dispatches; a failure becomes one line and an exit code.

mod actors;
mod api_client;
mod args;
mod bar;
mod conflicts;
mod coupons;
mod data_location;
mod dead_letters;
mod demo;
mod failure;
mod lost_numbers;
mod migrate;
mod operator;
mod probe;
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

use crate::fault_injection::{abort, bugs};

/// Runs the command of the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    abort::visit(abort::STARTED);
    if let Some(name) = bugs::unknown() {
        return Failure::operator(format!("OPENRUN_PLANTED_BUG: there is no bug {name}")).report();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_parse_error(&error),
    };
    // The TLS provider of every client. Fails only if one is installed already.
    let _already = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// Reports a parse error in one line, like every other failure. Help and version are no errors: clap prints them.
fn report_parse_error(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        error.exit();
    }
    Failure::operator(one_line(&error.to_string())).report()
}

/// Clap's message without the usage, which becomes a reference to the help of the command.
fn one_line(text: &str) -> String {
    let message = text.split("For more information").next().unwrap_or(text);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let Some((message, usage)) = message.split_once("\nUsage: ") else { return message.to_owned() };
    let is_command = |word: &&str| word.starts_with(|first: char| first.is_ascii_lowercase());
    let command: Vec<&str> = usage.split_whitespace().take_while(is_command).collect();
    format!("{}; see `{} --help`", message.trim_end(), command.join(" "))
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
        Command::Probe(args) => probe::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn the_usage_becomes_a_reference_to_the_help() {
        let text = "error: unexpected argument '-1' found\n\n  tip: to pass '-1'\n\nUsage: openrun coupons list \
                    [OPTIONS]\n\nFor more information, try '--help'.\n";
        let line = "unexpected argument '-1' found\n\n  tip: to pass '-1'; see `openrun coupons list --help`";
        assert_eq!(one_line(text), line);
        assert_eq!(one_line("error: no number\n\nFor more information, try '--help'.\n"), "no number\n\n");
    }
}
