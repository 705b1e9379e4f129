//! The failure of a command: one line on standard error, and an exit code.

use std::process::ExitCode;

use crate::bootstrap::{SettingsError, StartError};

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Arguments, settings or environment are wrong; the line names the remedy. Exit code 2.
    #[error("{0}")]
    Operator(String),
    /// The command ran, and the answer is negative. Exit code 1.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// An `Operator` failure; line breaks of `error` become blanks.
    pub(super) fn operator(error: impl std::fmt::Display) -> Self {
        Self::Operator(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Prints the line and returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        #[expect(clippy::print_stderr, reason = "the answer to the command, also while the log is off")]
        {
            eprintln!("openrun: {self}");
        }
        match self {
            Self::Operator(_) => ExitCode::from(2),
            Self::Refused(_) => ExitCode::from(1),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::operator(error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::operator(error)
    }
}
