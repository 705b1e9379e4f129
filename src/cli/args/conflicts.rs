//! What `openrun conflicts` takes.

use clap::{Args, Subcommand};

use super::operator::OperatorArgs;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ConflictsArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: ConflictsCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum ConflictsCall {
    /// List what contradicts the database and nobody has settled
    List {
        /// Those of this coupon only
        #[arg(long, value_name = "ID")]
        coupon: Option<String>,
        /// Those that are settled instead
        #[arg(long)]
        settled: bool,
        /// Those after this number, which is the last of the page before
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        after: i64,
        /// How many at most, the oldest first
        #[arg(long, default_value_t = 100, value_name = "N")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Show one with everything that is known of it
    Show {
        /// Its number
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
    },
    /// Settle one: it stays with the note, but is no finding and no alarm any more. It changes no coupon
    Settle {
        /// Its number
        #[arg(value_parser = clap::value_parser!(i64).range(0..))]
        id: i64,
        /// What was found, and what was done about it; kept for good
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}
