//! What went wrong, as one line on standard error and an exit code.

use std::process::ExitCode;

use crate::bootstrap::{SettingsError, StartError};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Settings or surroundings are wrong; the line says what to do. Exit code 2.
    #[error("{0}")]
    Operator(String),
    /// The command ran and its answer is no. Exit code 1.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// An operator's mistake, in one line whatever the text.
    pub(super) fn operator(error: impl std::fmt::Display) -> Self {
        Self::Operator(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Writes the line; gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        // The log may be off, and this line is the answer to whoever typed the command.
        #[expect(clippy::print_stderr, reason = "the answer to whoever typed the command")]
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
