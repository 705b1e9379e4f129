//! Arguments of `openrun actors`.

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
    /// List the actors of a node with their states
    List,
    /// Restart an actor, such as a failed one
    Restart {
        /// The actor's name, such as coupon-event/summer
        name: String,
    },
}
