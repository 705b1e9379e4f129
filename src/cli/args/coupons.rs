//! What `openrun coupons` takes.

use clap::{Args, Subcommand};

use super::operator::OperatorArgs;
use crate::domain::Timestamp;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CouponsArgs {
    #[command(flatten)]
    pub(in crate::cli) operator: OperatorArgs,

    #[command(subcommand)]
    pub(in crate::cli) call: CouponsCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(in crate::cli) enum CouponsCall {
    /// Create a coupon
    Create(CreateArgs),
    /// List all coupons and how they stand
    List,
    /// Show one coupon
    Show {
        /// The coupon's id
        id: String,
    },
    /// Change how many coupons exist; never below what is issued
    SetTotal {
        /// The coupon's id
        id: String,
        /// How many exist from now on
        total: u32,
    },
    /// Hold a coupon for now
    Pause {
        /// The coupon's id
        id: String,
    },
    /// Let a held coupon go on
    Resume {
        /// The coupon's id
        id: String,
    },
    /// End a coupon for good
    Close {
        /// The coupon's id
        id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The coupon's id: 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'
    pub(in crate::cli) id: String,

    /// How many exist
    #[arg(long)]
    pub(in crate::cli) total: u32,

    /// What people see [default: the id]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,

    /// The small print
    #[arg(long)]
    pub(in crate::cli) description: Option<String>,

    /// What it is worth, as it is to be shown
    #[arg(long)]
    pub(in crate::cli) discount: Option<String>,

    /// When issuing begins, such as 2026-12-01T09:00:00+09:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) opens_at: Option<String>,

    /// When issuing ends [default: never]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) closes_at: Option<String>,

    /// Until when an issued coupon can be redeemed [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) valid_until: Option<String>,
}

/// A moment as it was written: the node reads it again.
fn time(text: &str) -> Result<String, String> {
    Timestamp::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
