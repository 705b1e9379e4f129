//! Arguments of `openrun lost-numbers`.

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
    /// List the coupons that stay closed because the holders of some issued numbers are unknown
    List,
    /// Take lost numbers out of use, so that the coupon opens again; first check whether Redis's files can be restored
    WriteOff {
        /// The coupon's id
        coupon: String,
        /// How many are lost, as the list shows
        #[arg(long, value_name = "N")]
        count: u32,
        /// Reason, for the record
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}
