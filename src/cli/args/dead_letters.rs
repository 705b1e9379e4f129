//! Arguments of `openrun dead-letters`.

use clap::{ArgGroup, Args, Subcommand};

use super::operator::{LimitArg, OperatorArgs};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DeadLettersArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: DeadLettersCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum DeadLettersCall {
    /// List messages that could not be written, with the reason; changes nothing
    List {
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Show a letter with its history and payload
    Show {
        /// The letter's id
        id: String,
    },
    /// Queue a letter, or all, for writing again; safe to repeat
    #[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
    Replay {
        /// The letter's id
        id: Option<String>,
        /// The oldest letters, up to the limit
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Delete a letter for good
    Discard {
        /// The letter's id
        id: String,
        /// Reason, for the node's log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}
