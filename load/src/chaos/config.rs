//! What a run is asked to do.

use std::path::PathBuf;
use std::time::Duration;

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// After the fault that is under way when this time is over.
    For(Duration),
    /// After every fault has been done once.
    Once,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The binary under test.
    pub openrun: PathBuf,
    /// The same number, the same faults in the same order.
    pub seed: u64,
    /// When it ends.
    pub length: Length,
    /// How many nodes there are.
    pub nodes: usize,
    /// How many members ask at the same time.
    pub clients: u32,
    /// How long a client rests between two members, on average.
    pub think: Duration,
    /// The names of the faults to choose from; all if empty.
    pub faults: Vec<String>,
    /// How long a recovery may take until it counts as a broken promise.
    pub recovery_limit: Duration,
    /// How long a run waits for a node that does not come back, for an answer that does not come, and for what was told to
    /// arrive before the next fault.
    pub patience: Duration,
    /// How long everything that was told may take to arrive at the end.
    pub settle_limit: Duration,
    /// Where the history, the schedule and the logs are kept. Without it they are kept only if something was broken.
    pub keep: Option<PathBuf>,
    /// Settings of every node, as environment variables.
    pub settings: Vec<(String, String)>,
    /// More arguments of Redis.
    pub redis_arguments: Vec<String>,
    /// How much slower Redis's disk is.
    pub slow_sync: Duration,
    /// Whether the tables are on a disk that can be filled up.
    pub small_disk: bool,
}

impl Config {
    /// A run with the usual bounds.
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
