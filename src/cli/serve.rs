//! `openrun serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::{DATA_DIR, NodeArgs};
use super::failure::Failure;
use super::runtime;
use crate::bootstrap::Node;
use crate::telemetry::SERVE_FILTER;

pub(super) fn run(args: &NodeArgs) -> Result<ExitCode, Failure> {
    // Dropped at the very end: the last spans are those of stopping.
    let _traces = args.common.begin_telemetry(SERVE_FILTER)?;
    let data_dir = args.common.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let settings = args.common.settings(args.bind, data_dir)?;
    // A crowd is one connection each; what the system does not allow is refused by it when it comes to that.
    let _as_many_as_allowed = rlimit::increase_nofile_limit(u64::from(args.common.max_connections) + 512);
    runtime::run(async {
        let node = Node::start(settings).await?;
        tracing::info!("operators watch it at http://{}/console", node.address);
        if node.serves_api() {
            tracing::info!("the API can be read and tried at http://{}/docs", node.address);
        }
        runtime::until_told_to_stop().await?;
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
