//! Arguments of `openrun demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::common::{CommonArgs, address};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Members that request a coupon
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(in crate::cli) members: u64,

    /// Coupons that can be issued
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(in crate::cli) stock: u32,

    /// HTTP clients that send requests at the same time
    #[arg(long, default_value_t = 256, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub(in crate::cli) clients: u16,

    /// Share of the members that send two requests at once, from 0 to 1
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", value_parser = share)]
    pub(in crate::cli) double_click: f64,

    /// File for figures and verdict as JSON
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) report: Option<PathBuf>,

    /// Keep serving after the verdict, until Ctrl-C
    #[arg(long)]
    pub(in crate::cli) keep_serving: bool,

    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(in crate::cli) bind: SocketAddr,

    #[command(flatten)]
    pub(in crate::cli) common: CommonArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}
