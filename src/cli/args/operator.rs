//! Arguments of every operators' command: node, token and output format.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct OperatorArgs {
    /// URL of the node
    #[arg(
        long,
        env = "OPENRUN_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        global = true
    )]
    pub(in crate::cli) server: String,

    /// The operators' token of that node
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub(in crate::cli) admin_token: Option<String>,

    /// Write JSON instead of a table
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct LimitArg {
    /// Most entries, oldest first
    #[arg(long, default_value_t = 100, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) limit: u32,
}
