//! How many files a process may open, which bounds its connections.

use rlimit::Resource;

use super::{BenchError, sentence};

/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 600;

/// How many connections one process has room for, once it may open as many files as the system lets it.
pub(super) fn room() -> Result<u64, BenchError> {
    let _as_many_as_allowed = rlimit::increase_nofile_limit(u64::MAX);
    let (may, _) = rlimit::getrlimit(Resource::NOFILE).map_err(sentence)?;
    Ok(may.saturating_sub(OTHER_FILES))
}

/// Makes sure that one process has room for so many connections.
pub(super) fn enough_for(connections: u64) -> Result<(), BenchError> {
    let room = room()?;
    if room >= connections {
        return Ok(());
    }
    Err(BenchError(format!(
        "a process has room for {room} connections here, not for {connections}: raise `ulimit -n`, or take fewer"
    )))
}
