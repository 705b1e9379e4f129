//! Arguments of `openrun probe`.

use std::net::SocketAddr;

use clap::Args;

use super::common::address;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ProbeArgs {
    /// URL that must answer 2xx [default: /readyz of the node at `--bind`]
    pub(in crate::cli) url: Option<String>,

    /// Address of the node
    #[arg(long, env = "OPENRUN_BIND", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(in crate::cli) bind: SocketAddr,

    /// Milliseconds the answer may take
    #[arg(long, default_value_t = 3_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(in crate::cli) timeout_ms: u64,
}
