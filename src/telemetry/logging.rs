//! Log lines: one a decision worth reading, on standard error, never with a secret.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err("a log format is 'pretty' or 'json'".to_owned()),
        }
    }
}

/// Begins to write log lines as `filter` says (such as `info` or `openrun=debug,lapin=warn`).
///
/// # Errors
/// A sentence if the filter cannot be read.
pub fn init(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("the log filter '{filter}': {error}"))?;
    let registry = tracing_subscriber::registry().with(filter).with(super::troubles::layer());
    let colours = std::io::stderr().is_terminal();
    let pretty = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours);
    // A second call, as tests in one process make, keeps the first.
    let _already = match format {
        LogFormat::Pretty => registry.with(pretty).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    Ok(())
}
