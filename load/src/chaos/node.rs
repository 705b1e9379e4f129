//! A node of the run: the built binary, on a fixed port and behind proxies of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fleet::ports::free_port;
use crate::fleet::process::{Process, Signal, Watchdog};
use crate::fleet::proxy::Proxy;

const POLL: Duration = Duration::from_millis(20);
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(60);
/// Log message of a node that has begun to serve.
const SERVES: &str = "openrun serves";

/// The proxies between one node and the services.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) redis: Proxy,
    pub(super) rabbitmq: Proxy,
    pub(super) postgres: Proxy,
}

/// A node that can be killed, frozen and restarted.
#[derive(Debug)]
pub(super) struct Node {
    process: Option<Process>,
    pub(super) links: Links,
    address: SocketAddr,
    settings: Vec<(String, String)>,
    program: PathBuf,
    starts: usize,
    watchdog: Watchdog,
    folder: TempDir,
}

/// The binary, without the settings in this process's environment.
pub(crate) fn openrun(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if ["OPENRUN_", "OTEL_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command.current_dir("/");
    command
}

impl Node {
    /// Prepares a node; `settings` complete the settings of every node of a run.
    pub(super) fn new(
        program: &Path,
        links: Links,
        settings: Vec<(String, String)>,
    ) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("openrun-node-").tempdir()?;
        Ok(Self {
            process: None,
            links,
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            settings,
            program: program.to_owned(),
            starts: 0,
            watchdog: Watchdog::over(folder.path()),
            folder,
        })
    }

    /// The address it listens on, the same after every start.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the node if it runs, starts it and waits until it serves.
    ///
    /// # Errors
    /// The node ended or exceeded the bound; with the end of its log.
    pub(super) async fn restart(&mut self) -> Result<(), String> {
        self.launch(&[]);
        self.until_serving().await
    }

    ///
    /// # Errors
    /// The node ended or exceeded the bound; with the end of its log.
    pub(super) async fn until_serving(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_BOUND;
        while let Some(process) = &mut self.process {
            if process.logged().contains(SERVES) {
                return Ok(());
            }
            if !process.is_running() || Instant::now() >= deadline {
                return Err(format!("the node at {} does not serve: {}", self.address, process.log_tail()));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Kills the node if it runs, and starts it with additional settings for this start alone. Such settings may make
    /// it end before it serves.
    pub(super) fn launch(&mut self, extra: &[(&str, &str)]) {
        self.kill();
        self.starts += 1;
        let log = self.folder.path().join(format!("node-{}.log", self.starts));
        let mut command = openrun(&self.program);
        command.arg("serve").env("OPENRUN_BIND", self.address.to_string());
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).envs(extra.iter().copied());
        self.process = Some(Process::spawn(&mut command, &log, &mut self.watchdog));
    }

    /// Kills the node at once, as a power failure would.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_tree();
        }
    }

    /// Terminates the node and waits until it has ended.
    pub(super) async fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Terminate);
            process.until_ended(STOP_BOUND).await;
        }
    }

    pub(super) fn freeze(&self) {
        if let Some(process) = &self.process {
            process.signal_tree(Signal::Stop);
        }
    }

    pub(super) fn thaw(&self) {
        if let Some(process) = &self.process {
            process.signal_tree(Signal::Continue);
        }
    }

    /// Waits until the node has ended by itself; returns whether it did within the bound.
    pub(super) async fn ends_within(&mut self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        while self.process.as_mut().is_some_and(Process::is_running) {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Copies the logs into `directory`, under `name`.
    pub(super) fn keep_logs(&self, directory: &Path, name: &str) {
        for start in 1..=self.starts {
            let log = self.folder.path().join(format!("node-{start}.log"));
            // One failed copy must not prevent the others.
            let _kept = std::fs::copy(log, directory.join(format!("{name}-{start}.log")));
        }
    }
}
