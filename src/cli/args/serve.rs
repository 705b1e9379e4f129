//! Arguments of `openrun serve`.

use std::net::SocketAddr;

use clap::Args;

use super::common::{CommonArgs, address};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct NodeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "OPENRUN_BIND", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(in crate::cli) bind: SocketAddr,

    #[command(flatten)]
    pub(in crate::cli) common: CommonArgs,
}
