//! A real node: the built binary as a child process, on one of the engines, that a test may kill and start again.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, Signal, Watchdog, run};
use super::shared::{Database, amqp_namespace, amqp_url, own_redis_url};

const POLL: Duration = Duration::from_millis(20);
/// A node starts in a fraction of a second on an idle machine, and tests run side by side.
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(60);
/// What the node logs once it can be asked.
const SERVES: &str = "openrun serves";
const LOG_TAIL_LINES: usize = 60;

/// The binary under test, without any setting that the test's own environment happens to hold.
pub(crate) fn openrun(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if ["OPENRUN_", "OTEL_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command
}

/// The services that the nodes of one test share, under names of their own.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) redis_url: String,
    pub(crate) amqp_url: String,
    pub(crate) database_url: String,
    pub(crate) amqp_namespace: String,
    /// Removed with the stack; absent where the test has a PostgreSQL of its own.
    _database: Option<Database>,
}

impl Stack {
    /// The services of the run, with databases and a namespace of one's own.
    pub(crate) async fn shared() -> Arc<Self> {
        Self::with_redis(&own_redis_url().await).await
    }

    /// As `shared`, but with another Redis, such as a private one or a proxy before it.
    pub(crate) async fn with_redis(redis_url: &str) -> Arc<Self> {
        let database = Database::create().await;
        let database_url = database.url().to_owned();
        Self::migrated(redis_url.to_owned(), amqp_url(), database_url, Some(database))
    }

    /// Services that all belong to the test. The database is migrated, so it must answer.
    pub(crate) fn private(redis_url: &str, amqp_url: &str, database_url: &str) -> Arc<Self> {
        Self::migrated(redis_url.to_owned(), amqp_url.to_owned(), database_url.to_owned(), None)
    }

    fn migrated(
        redis_url: String,
        amqp_url: String,
        database_url: String,
        database: Option<Database>,
    ) -> Arc<Self> {
        run(openrun(&["migrate"]).env("OPENRUN_DATABASE_URL", &database_url));
        let amqp_namespace = amqp_namespace();
        Arc::new(Self { redis_url, amqp_url, database_url, amqp_namespace, _database: database })
    }

    /// What a node must be told to use these services.
    pub(crate) fn settings(&self) -> [(&'static str, &str); 5] {
        [
            ("OPENRUN_ENGINE", "redis-lua"),
            ("OPENRUN_REDIS_URL", &self.redis_url),
            ("OPENRUN_AMQP_URL", &self.amqp_url),
            ("OPENRUN_DATABASE_URL", &self.database_url),
            ("OPENRUN_AMQP_NAMESPACE", &self.amqp_namespace),
        ]
    }
}

/// A node that is not started yet.
#[derive(Debug, Clone)]
pub(crate) struct NodeBuilder {
    settings: BTreeMap<String, String>,
    /// Kept for as long as a node may need it.
    stack: Option<Arc<Stack>>,
}

impl NodeBuilder {
    fn new() -> Self {
        let settings = [
            ("OPENRUN_BIND", "127.0.0.1:0"),
            ("OPENRUN_LOG_FORMAT", "json"),
            ("OPENRUN_WORKERS", "2"),
            // Many nodes share the PostgreSQL of the run.
            ("OPENRUN_DATABASE_CONNECTIONS", "4"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { settings, stack: None }
    }

    /// Sets an environment variable of the node, such as `OPENRUN_QUEUE_LIMIT`.
    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it and waits until it serves. Panics with its log if it does not.
    pub(crate) async fn start(self) -> NodeProcess {
        let folder = tempfile::Builder::new()
            .prefix("openrun-node-")
            .tempdir()
            .expect("a temporary directory can be made");
        let watchdog = Watchdog::over(folder.path());
        let mut node = NodeProcess {
            process: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            starts: 0,
            builder: self,
            watchdog,
            folder,
        };
        node.launch().await;
        node
    }
}

/// A node that serves, until it is killed or terminated. Dropping it kills it, and prints the end of its log if the
/// test has failed.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    // Fields are dropped in this order: the process before the directory it writes to.
    process: Option<Process>,
    address: SocketAddr,
    /// Each start has a log of its own.
    starts: usize,
    builder: NodeBuilder,
    watchdog: Watchdog,
    folder: TempDir,
}

impl NodeProcess {
    /// A node on the embedded engine, in a directory of its own.
    pub(crate) fn embedded() -> NodeBuilder {
        NodeBuilder::new()
    }

    /// A node on the full stack. Several may share it.
    pub(crate) fn redis_lua(stack: &Arc<Stack>) -> NodeBuilder {
        let builder = stack
            .settings()
            .into_iter()
            .fold(NodeBuilder::new(), |builder, (name, value)| builder.set(name, value));
        NodeBuilder { stack: Some(Arc::clone(stack)), ..builder }
    }

    /// A node on the full stack that decides under a lock.
    pub(crate) fn redis_lock(stack: &Arc<Stack>) -> NodeBuilder {
        Self::redis_lua(stack).set("OPENRUN_ENGINE", "redis-lock")
    }

    /// A node on an engine that decides in PostgreSQL, which is told of nothing else. Several may share it.
    pub(crate) fn postgres(engine: &str, stack: &Arc<Stack>) -> NodeBuilder {
        let builder = NodeBuilder::new()
            .set("OPENRUN_ENGINE", engine)
            .set("OPENRUN_DATABASE_URL", &*stack.database_url);
        NodeBuilder { stack: Some(Arc::clone(stack)), ..builder }
    }

    /// Where it listens; another port after each start.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path that begins with a slash, or of the node for "".
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where an embedded node keeps its file, unless it was told otherwise.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Everything it has logged since its first start.
    pub(crate) fn log(&self) -> String {
        let read = |start| fs::read(self.log_file(start)).unwrap_or_default();
        (1..=self.starts).map(|start| String::from_utf8_lossy(&read(start)).into_owned()).collect()
    }

    /// Ends it by SIGKILL: nothing of it gets to run another instruction.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_tree();
        }
    }

    /// Asks it by SIGTERM to end; [`NodeProcess::ended`] waits for that.
    pub(crate) fn ask_to_end(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Terminate);
    }

    /// Waits until it has ended by itself and gives its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("the node runs");
        process.until_ended(STOP_BOUND).await;
        process.exit_code()
    }

    /// Ends it by SIGTERM and gives its exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        self.ask_to_end();
        self.ended().await
    }

    /// Freezes it by SIGSTOP: connections are accepted, but nobody answers.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Stop);
    }

    /// Lets a frozen node go on, as if no time had passed for it.
    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Continue);
    }

    /// Kills it if it runs, and starts it with the same settings and data, on another port.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.launch().await;
    }

    async fn launch(&mut self) {
        self.starts += 1;
        let log = self.log_file(self.starts);
        let mut command = openrun(&["serve"]);
        command.env("OPENRUN_DATA_DIR", self.data_dir()).envs(&self.builder.settings).current_dir("/");
        self.process = Some(Process::spawn(&mut command, &log, &mut self.watchdog));
        let deadline = Instant::now() + START_BOUND;
        self.address = loop {
            if let Some(address) = served_address(&log) {
                break address;
            }
            assert!(self.is_running(), "the node ended before it served");
            assert!(Instant::now() < deadline, "the node does not serve in {START_BOUND:?}");
            tokio::time::sleep(POLL).await;
        };
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.folder.path().join(format!("node-{start}.log"))
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            eprintln!("the end of the log of the node at {}:\n{}", self.address, tail.join("\n"));
        }
    }
}

/// The address in the line by which a node says that it serves, once that line is complete.
fn served_address(log: &Path) -> Option<SocketAddr> {
    let log = fs::read(log).ok()?;
    String::from_utf8_lossy(&log).lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields")?;
        (fields.get("message")? == SERVES).then_some(fields.get("address")?.as_str()?.parse().ok()?)
    })
}
