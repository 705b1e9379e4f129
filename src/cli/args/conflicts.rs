//! Arguments of `openrun conflicts`.

use clap::{Args, Subcommand};

use super::operator::{LimitArg, OperatorArgs};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ConflictsArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: ConflictsCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum ConflictsCall {
    /// List the open conflicts
    List {
        /// Conflicts of this coupon only
        #[arg(long, value_name = "ID")]
        coupon: Option<String>,
        /// Settled conflicts instead of open ones
        #[arg(long)]
        settled: bool,
        /// Conflicts after this number, the last one of the previous page
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        after: i64,
        #[command(flatten)]
        limit: LimitArg,
    },
    /// Show all fields of a conflict
    Show {
        /// The conflict's number
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
    },
    /// Settle a conflict: keep it with a note, but stop counting it as a finding. No coupon changes
    Settle {
        /// The conflict's number
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
        /// Cause of the conflict and remedy; kept for good
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}
