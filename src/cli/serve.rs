//! `openrun serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::{DATA_DIR, NodeArgs};
use super::failure::Failure;
use super::runtime;
use crate::bootstrap::Node;
use crate::telemetry::SERVE_FILTER;

pub(super) fn run(args: &NodeArgs) -> Result<ExitCode, Failure> {
    // Dropped last, so that the spans of the shutdown are sent, too.
    let _traces = args.common.begin_telemetry(SERVE_FILTER)?;
    let data_dir = args.common.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let settings = args.common.settings(args.bind, data_dir)?;
    // Each connection is an open file. A limit that cannot be raised is no failure here: accepting refuses the excess.
    let _raised = rlimit::increase_nofile_limit(u64::from(args.common.max_connections) + 512);
    runtime::run(async {
        let node = Node::start(settings).await?;
        tracing::info!("console for operators: http://{}/console", node.address);
        if node.serves_api() {
            tracing::info!("API documentation: http://{}/docs", node.address);
        }
        runtime::wait_for_stop_signal().await?;
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
