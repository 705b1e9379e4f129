//! What `openrun dead-letters` takes.

use clap::{ArgGroup, Args, Subcommand};

use super::operator::OperatorArgs;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DeadLettersArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: DeadLettersCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum DeadLettersCall {
    /// List what could not be written, and why; looking changes nothing
    List {
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Show one with its history and payload
    Show {
        /// The letter's id
        id: String,
    },
    /// Send one, or all, on their way again; safe to repeat
    #[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
    Replay {
        /// The letter's id
        id: Option<String>,
        /// The oldest ones, up to the limit
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Drop one for good
    Discard {
        /// The letter's id
        id: String,
        /// Why, for the node's log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct LimitArg {
    /// How many at most, the oldest first
    #[arg(long, default_value_t = 100, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) limit: u32,
}
