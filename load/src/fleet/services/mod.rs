//! Services that belong to one owner, who may stop, freeze, kill and restart them. They are gone when the owner is.

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
/// A RabbitMQ without plugins. A queue survives `kill` only once its declaration has reached the disk, which is some
/// time after the broker has answered it: `stop` and `restart` after declaring make sure of it.
pub type PrivateRabbitMq = Private<RabbitMq>;

/// RabbitMQ takes five to ten seconds on two cores, and tests run side by side.
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(30);

/// What distinguishes one service from the others.
pub trait Kind {
    /// Part of the directory's name, and what panics say.
    const NAME: &'static str;
    /// The log has this once clients are served.
    const READY: &'static str;
    /// Ends the service in good order, without waiting for its clients.
    const STOP: Signal;

    /// The address for clients that connect to `port`, be it the service's own or that of a proxy.
    fn url(port: u16) -> String;
    /// Fills an empty data directory.
    fn initialise(&self, data: &Path);
    /// What to start in the foreground.
    fn command(&self, data: &Path, port: u16) -> Command;
    /// What must run beside the service, across its restarts.
    fn companion(&self) -> Option<Command> {
        None
    }
}

/// One private service.
#[derive(Debug)]
pub struct Private<K: Kind> {
    // Fields are dropped in this order: the processes before the directory they write to.
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
    /// Like `start`, with settings of one's own.
    pub async fn start_as(kind: K) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("openrun-{}-", K::NAME))
            .tempdir()
            .expect("a temporary directory can be made");
        // The service's user passes through to a directory of its own.
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

    /// The service's own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients reach it, now and after every restart.
    pub fn url(&self) -> String {
        K::url(self.port)
    }

    /// The same for clients that go through a proxy on `port`.
    pub fn url_through(&self, port: u16) -> String {
        K::url(port)
    }

    /// What it has printed since it was last started.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("service.log")
    }

    /// Ends it in good order. Its port then refuses connections.
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(K::STOP);
            process.until_ended(STOP_BOUND).await;
        }
    }

    /// Ends it by SIGKILL, with all its children, as a machine that loses power would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_tree();
        }
    }

    /// Kills it if it runs, and starts it on the same port with the same data.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    /// Kills it and loses its data. The next `restart` gives an empty service.
    pub fn wipe(&mut self) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        self.initialise();
    }

    /// A copy of its data as it is at this moment, file by file.
    ///
    /// # Panics
    /// If the data cannot be read.
    pub fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a temporary directory can be made");
        copy_tree(&self.data(), copy.path()).expect("the data can be copied");
        copy
    }

    /// Kills it and puts its data back as it was copied. It is started again by `restart`.
    ///
    /// # Panics
    /// If the data cannot be written.
    pub fn put_back(&mut self, copy: &TempDir) {
        self.kill();
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        fs::create_dir(self.data()).expect("the data directory can be made");
        copy_tree(copy.path(), &self.data()).expect("the copy can be put back");
    }

    /// Freezes it by SIGSTOP: connections stay open and are even accepted, but nobody answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the service runs").signal_tree(Signal::Stop);
    }

    /// Lets a frozen service go on, as if no time had passed for it.
    pub fn resume(&self) {
        self.process.as_ref().expect("the service runs").signal_tree(Signal::Continue);
    }

    /// What is particular to this service.
    #[must_use]
    pub fn kind(&self) -> &K {
        &self.kind
    }

    /// Where it keeps its data.
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

/// The programs without which no fleet can be started, as far as they are missing on this machine.
#[must_use]
pub fn missing_programs() -> Vec<&'static str> {
    let here = |program: &str, elsewhere: &[&str]| find_folder(program, elsewhere).is_some();
    let postgres = postgres::folders();
    let postgres: Vec<&str> = postgres.iter().map(String::as_str).collect();
    [
        ("redis-server", here("redis-server", &[])),
        ("rabbitmq-server", here("rabbitmq-server", rabbitmq::ELSEWHERE)),
        ("epmd", here("epmd", &[])),
        ("postgres", here("initdb", &postgres)),
        ("ps", here("ps", &[])),
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

/// The folder that has `program`, for the servers that distributions keep out of the PATH.
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
