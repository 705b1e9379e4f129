//! The settings of a run.

use std::path::PathBuf;
use std::time::Duration;

/// End of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// After the fault that is under way at this time.
    For(Duration),
    /// After every fault has been injected once.
    Once,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub openrun: PathBuf,
    /// Seed of the order of faults.
    pub seed: u64,
    pub length: Length,
    pub nodes: usize,
    /// Concurrent members.
    pub clients: u32,
    /// Average pause of a client between two members.
    pub think: Duration,
    /// Names of the faults to inject; all if empty.
    pub faults: Vec<String>,
    /// A longer recovery counts as a violation.
    pub recovery_limit: Duration,
    /// Bound of waiting for a node to serve again, for open requests, and for issuances to arrive before the next
    /// fault.
    pub patience: Duration,
    /// Bound of waiting for all issuances to arrive at the end.
    pub settle_limit: Duration,
    /// Folder for history and logs. Without it they are kept only after a violation, in a temporary folder.
    pub keep: Option<PathBuf>,
    /// Environment variables of every node.
    pub settings: Vec<(String, String)>,
    /// Additional arguments of Redis.
    pub redis_arguments: Vec<String>,
    /// Additional delay of each sync of Redis's disk.
    pub slow_sync: Duration,
    /// Whether the tables are on a small disk, which a fault can fill.
    pub small_disk: bool,
}

impl Config {
    /// The default settings.
    #[must_use]
    pub fn new(openrun: PathBuf, seed: u64) -> Self {
        Self {
            openrun,
            seed,
            length: Length::Once,
            nodes: 2,
            clients: 32,
            think: Duration::from_millis(60),
            faults: Vec::new(),
            recovery_limit: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            settle_limit: Duration::from_secs(90),
            keep: None,
            settings: Vec::new(),
            redis_arguments: Vec::new(),
            slow_sync: Duration::ZERO,
            small_disk: true,
        }
    }
}
