//! The limit on open files, which bounds the connections of a process.

use rlimit::Resource;

use super::{BenchError, bench_error};

/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 600;

/// Raises the limit as far as the system permits, and returns the number of connections that it leaves.
pub(super) fn max_connections() -> Result<u64, BenchError> {
    let _raised_as_far_as_permitted = rlimit::increase_nofile_limit(u64::MAX);
    let (limit, _) = rlimit::getrlimit(Resource::NOFILE).map_err(bench_error)?;
    Ok(limit.saturating_sub(OTHER_FILES))
}

pub(super) fn ensure_connections(connections: u64) -> Result<(), BenchError> {
    let max_connections = max_connections()?;
    if max_connections >= connections {
        return Ok(());
    }
    Err(BenchError(format!(
        "a process can open {max_connections} connections here, not {connections}: raise `ulimit -n`, or use fewer"
    )))
}
