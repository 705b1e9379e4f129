//! What `openrun demo` takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::common::{CommonArgs, address};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct DemoArgs {
    /// Members who race
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(in crate::cli) members: u64,

    /// Coupons that exist
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(in crate::cli) stock: u32,

    /// HTTP clients that press the button at the same time
    #[arg(long, default_value_t = 256, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub(in crate::cli) clients: u16,

    /// Part of the members who click twice at once, from 0 to 1
    #[arg(long, default_value_t = 0.1, value_name = "PART", value_parser = part)]
    pub(in crate::cli) double_click: f64,

    /// Write the figures and the verdict as JSON
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) report: Option<PathBuf>,

    /// Go on serving after the verdict, until Ctrl-C
    #[arg(long)]
    pub(in crate::cli) keep_serving: bool,

    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(in crate::cli) bind: SocketAddr,

    #[command(flatten)]
    pub(in crate::cli) common: CommonArgs,
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("a part is a number from 0 to 1".to_owned()),
    }
}
