//! Arguments of `openrun coupons`.

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
    /// List all coupons with state and inventory
    List,
    /// Show one coupon
    Show {
        /// The coupon's id
        id: String,
    },
    /// Change the total of a coupon, to at least the number issued
    SetTotal {
        /// The coupon's id
        id: String,
        /// The new total
        total: u32,
    },
    /// Stop issuing a coupon until it is resumed
    Pause {
        /// The coupon's id
        id: String,
    },
    /// Continue issuing a paused coupon
    Resume {
        /// The coupon's id
        id: String,
    },
    /// Stop issuing a coupon for good
    Close {
        /// The coupon's id
        id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The coupon's id: 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'
    pub(in crate::cli) id: String,

    /// How many can be issued
    #[arg(long)]
    pub(in crate::cli) total: u32,

    /// Displayed name [default: the id]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,

    /// Terms and conditions
    #[arg(long)]
    pub(in crate::cli) description: Option<String>,

    /// Displayed value, such as "10% off"
    #[arg(long)]
    pub(in crate::cli) discount: Option<String>,

    /// When issuing begins, such as 2026-12-01T09:00:00+09:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) opens_at: Option<String>,

    /// When issuing ends [default: never]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) closes_at: Option<String>,

    /// When issued coupons expire [default: never]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) valid_until: Option<String>,
}

/// Checks a time and keeps its text: the node parses it again.
fn time(text: &str) -> Result<String, String> {
    Timestamp::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
