//! Private services, which can be stopped, frozen, killed and restarted. They end with their owner.

mod postgres;
mod rabbitmq;
mod redis;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::fleet::ports::free_port;
use crate::fleet::process::{Process, Signal, Watchdog};

pub use self::postgres::Postgres;
pub use self::rabbitmq::RabbitMq;
pub use self::redis::Redis;

/// A Redis in durable mode: every write is synced before it is answered.
pub type PrivateRedis = Private<Redis>;
/// A PostgreSQL with its default durability. Its superuser and database are both `postgres`.
pub type PrivatePostgres = Private<Postgres>;
/// A RabbitMQ without plugins. A queue survives `kill` only after its declaration has reached the disk, some time after
/// the broker's answer; `stop` and `restart` after the declaration ensure it.
pub type PrivateRabbitMq = Private<RabbitMq>;

/// RabbitMQ takes five to ten seconds on two cores, and tests run in parallel.
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(30);

/// The particulars of a service.
pub trait Kind {
    /// Name in directories and panics.
    const NAME: &'static str;
    /// Log message of a service that serves.
    const READY: &'static str;
    /// Signal for a stop in order that does not wait for clients.
    const STOP: Signal;

    /// The URL of a service behind `port`, which may be a proxy's.
    fn url(port: u16) -> String;
    /// Prepares an empty data directory.
    fn initialise(&self, data: &Path);
    /// The command that runs the service in the foreground.
    fn command(&self, data: &Path, port: u16) -> Command;
    /// A process that runs beside the service, across its restarts.
    fn companion(&self) -> Option<Command> {
        None
    }
}

#[derive(Debug)]
pub struct Private<K: Kind> {
    // Drop order: the processes before the directory that they write to.
    process: Option<Process>,
    _companion: Option<Process>,
    watchdog: Watchdog,
    directory: TempDir,
    port: u16,
    kind: K,
}

impl<K: Kind + Default> Private<K> {
    /// Starts an empty service and waits until it serves.
    pub async fn start() -> Self {
        Self::start_as(K::default()).await
    }
}

impl<K: Kind> Private<K> {
    /// Like `start`, with other settings.
    pub async fn start_as(kind: K) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("openrun-{}-", K::NAME))
            .tempdir()
            .expect("a temporary directory can be made");
        // Lets the service's user pass through to its directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let mut watchdog = Watchdog::over(directory.path());
        let companion = kind.companion().map(|mut command| {
            Process::spawn(&mut command, &directory.path().join("companion.log"), &mut watchdog)
        });
        let mut service =
            Self { process: None, _companion: companion, watchdog, directory, port: free_port(), kind };
        service.initialise();
        service.launch().await;
        service
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL, which stays the same after a restart.
    pub fn url(&self) -> String {
        K::url(self.port)
    }

    /// The URL through a proxy on `port`.
    pub fn url_through(&self, port: u16) -> String {
        K::url(port)
    }

    /// Output since the last start.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("service.log")
    }

    /// Stops the service in order. Its port then refuses connections.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(K::STOP);
            process.until_ended(STOP_BOUND).await;
        }
    }

    /// Kills the service and all its children by SIGKILL, as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_tree();
        }
    }

    /// Kills the service if it runs, and starts it on the same port with the same data.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    /// Kills the service and deletes its data. The next `restart` starts an empty one.
    pub fn wipe(&mut self) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        self.initialise();
    }

    /// Copies the data file by file.
    ///
    /// # Panics
    /// If the data cannot be read.
    pub fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a temporary directory can be made");
        copy_tree(&self.data(), copy.path()).expect("the data can be copied");
        copy
    }

    /// Kills the service and restores its data from a copy. `restart` starts it again.
    ///
    /// # Panics
    /// If the data cannot be written.
    pub fn restore(&mut self, copy: &TempDir) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        fs::create_dir(self.data()).expect("the data directory can be made");
        copy_tree(copy.path(), &self.data()).expect("the copy can be put back");
    }

    /// Freezes the service by SIGSTOP: connections are accepted, but requests are not answered.
    pub fn pause(&self) {
        self.process.as_ref().expect("the service runs").signal_tree(Signal::Stop);
    }

    /// Continues a frozen service.
    pub fn resume(&self) {
        self.process.as_ref().expect("the service runs").signal_tree(Signal::Continue);
    }

    #[must_use]
    pub fn kind(&self) -> &K {
        &self.kind
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn initialise(&self) {
        fs::create_dir(self.data()).expect("the data directory can be made");
        self.kind.initialise(&self.data());
    }

    async fn launch(&mut self) {
        let log = self.log();
        let mut command = self.kind.command(&self.data(), self.port);
        let process = Process::spawn(&mut command, &log, &mut self.watchdog);
        self.process.insert(process).until_logged(K::READY, START_BOUND).await;
    }
}

/// The programs that a fleet needs and this machine lacks.
#[must_use]
pub fn missing_programs() -> Vec<&'static str> {
    let is_installed = |program: &str, elsewhere: &[&str]| find_folder(program, elsewhere).is_some();
    let postgres = postgres::folders();
    let postgres: Vec<&str> = postgres.iter().map(String::as_str).collect();
    [
        ("redis-server", is_installed("redis-server", &[])),
        ("rabbitmq-server", is_installed("rabbitmq-server", rabbitmq::ELSEWHERE)),
        ("epmd", is_installed("epmd", &[])),
        ("postgres", is_installed("initdb", &postgres)),
        ("ps", is_installed("ps", &[])),
    ]
    .into_iter()
    .filter_map(|(program, found)| (!found).then_some(program))
    .collect()
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The folder with `program`; `elsewhere` lists folders outside of PATH, where distributions keep servers.
fn folder_of(program: &str, elsewhere: &[&str]) -> PathBuf {
    find_folder(program, elsewhere)
        .unwrap_or_else(|| panic!("{program} is not installed: run ./scripts/test, which installs it"))
}

fn find_folder(program: &str, elsewhere: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    elsewhere
        .iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join(program).is_file())
}
