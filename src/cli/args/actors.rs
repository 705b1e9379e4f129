//! What `openrun actors` takes.

use clap::{Args, Subcommand};

use super::operator::OperatorArgs;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ActorsArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: ActorsCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum ActorsCall {
    /// List the actors of a node and how each is
    List,
    /// Have an actor made anew, such as one that failed
    Restart {
        /// The actor's name, such as coupon-event/summer
        name: String,
    },
}
