//! The process under measurement: its start, its use of resources, and its end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::config::BenchConfig;
use super::services::{BenchServices, NodeSetup};
use super::{BenchError, bench_error};
use crate::bare;
use crate::chaos::metrics;
use crate::chaos::node::openrun;
use crate::fleet::ports::free_port;
use crate::fleet::process::{Process, Signal, Watchdog};
use crate::target::Target;

const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Answered with 200 by a node that is ready. Its log may be turned off, so that no log line can be awaited.
const READY: &str = "/readyz";
/// The unit of processor time in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct Server {
    process: Process,
    pub(super) target: Target,
    pub(super) database_url: Option<String>,
    _watchdog: Watchdog,
    _folder: TempDir,
}

impl Server {
    /// Starts a node with empty services.
    pub(super) async fn openrun(
        config: &BenchConfig,
        services: &mut BenchServices,
        engine: &str,
        settings: &[(String, String)],
    ) -> Result<Self, BenchError> {
        let setup = services.prepare_node(&config.openrun, engine).await?;
        Self::node(config, setup, settings).await
    }

    /// Starts nodes on the same empty services. With an engine that needs no services, the nodes share
    /// nothing.
    pub(super) async fn nodes(
        config: &BenchConfig,
        services: &mut BenchServices,
        engine: &str,
        count: usize,
    ) -> Result<Vec<Self>, BenchError> {
        let setup = services.prepare_node(&config.openrun, engine).await?;
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Self::node(config, setup.with_own_folder()?, &[]).await?);
        }
        Ok(nodes)
    }

    async fn node(
        config: &BenchConfig,
        setup: NodeSetup,
        settings: &[(String, String)],
    ) -> Result<Self, BenchError> {
        let mut command = openrun(&config.openrun);
        let port = free_port();
        command.arg("serve").env("OPENRUN_BIND", format!("127.0.0.1:{port}"));
        command.env("OPENRUN_DATA_DIR", setup.folder.path().join("data"));
        command.envs(setup.settings).envs(settings.iter().cloned());
        let server = Self::start(command, port, setup.folder, "").await;
        let mut server = Self { database_url: setup.database_url, ..server };
        let deadline = Instant::now() + START_BOUND;
        while metrics::get(&server.target, READY).await.is_none() {
            if !server.process.is_running() || Instant::now() >= deadline {
                return Err(BenchError(format!(
                    "the node does not become ready: {}",
                    server.process.log_tail()
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    /// Starts the bare handler that sends the content of the file `answer`.
    pub(super) async fn bare_fixed(program: &Path, answer: &Path) -> Result<Self, BenchError> {
        Self::bare(program, "fixed", ["--answer", &answer.display().to_string()]).await
    }

    /// Starts a bare handler; `extra` are its flags.
    pub(super) async fn bare(program: &Path, kind: &str, extra: [&str; 2]) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(bench_error)?;
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["bare", "--kind", kind, "--bind", &format!("127.0.0.1:{port}")]).args(extra);
        Ok(Self::start(command, port, folder, bare::READY_LINE).await)
    }

    /// Starts another server, which is ready when it has printed `ready` and listens.
    pub(super) async fn peer(command: Command, port: u16, ready: &str) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(bench_error)?;
        let server = Self::start(command, port, folder, ready).await;
        let deadline = Instant::now() + START_BOUND;
        while TcpStream::connect(server.target.addr()).await.is_err() {
            if Instant::now() >= deadline {
                return Err(BenchError(format!("the server does not start: {}", server.process.log_tail())));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    async fn start(mut command: Command, port: u16, folder: TempDir, ready: &str) -> Self {
        let mut watchdog = Watchdog::over(folder.path());
        let mut process = Process::spawn(&mut command, &folder.path().join("server.log"), &mut watchdog);
        process.until_logged(ready, START_BOUND).await;
        let target = Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        Self { process, target, database_url: None, _watchdog: watchdog, _folder: folder }
    }

    pub(super) async fn stop(mut self) {
        self.process.signal(Signal::Terminate);
        self.process.until_ended(STOP_BOUND).await;
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.process.id()))
    }

    /// Processor time of the process and its children; `None` where the system does not report it.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let id = self.process.id();
        let own = cpu(&std::fs::read_to_string(self.proc("stat")).ok()?)?;
        let children = std::fs::read_to_string(self.proc(&format!("task/{id}/children"))).unwrap_or_default();
        let stat = |child: &str| cpu(&std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?);
        Some(own + children.split_whitespace().filter_map(stat).sum::<Duration>())
    }

    /// Resident memory; `None` where the system does not report it.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        memory_bytes(&std::fs::read_to_string(self.proc("status")).ok()?)
    }
}

/// Processor time of this process.
pub(super) fn own_cpu() -> Option<Duration> {
    cpu(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name may contain anything, and ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user = fields.next()?.parse::<u64>().ok()?;
    let system = fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64((user + system) as f64 / TICKS_PER_SECOND))
}

fn memory_bytes(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_and_memory_are_read_as_the_system_writes_them() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu("nonsense"), None);
        assert_eq!(memory_bytes("VmPeak:\t  9 kB\nVmRSS:\t    2048 kB\n"), Some(2 * 1_024 * 1_024));
        assert_eq!(memory_bytes("VmSize: 1 kB"), None);
    }
}
