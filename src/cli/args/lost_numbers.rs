//! What `openrun lost-numbers` takes.

use clap::{Args, Subcommand};

use super::operator::OperatorArgs;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct LostNumbersArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: LostNumbersCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum LostNumbersCall {
    /// List the coupons that stay closed because nobody knows who holds some of their numbers
    List,
    /// Take such numbers out of use, so that the coupon opens again; look first whether Redis's files can be put back
    WriteOff {
        /// The coupon's id
        coupon: String,
        /// How many are lost, as the list says
        #[arg(long, value_name = "N")]
        count: u32,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}
