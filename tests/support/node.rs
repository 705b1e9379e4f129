//! A real node: the built binary as a child process, on any of the engines, which a test may kill and restart.

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
/// A node starts in a fraction of a second on an idle machine, but tests run in parallel.
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(60);
/// Log message of a node that has begun to serve.
const SERVES: &str = "openrun serves";
const LOG_TAIL_LINES: usize = 60;

/// The binary under test, without the settings in the environment of the test run.
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

/// The services that the nodes of one test share.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) redis_url: String,
    pub(crate) amqp_url: String,
    pub(crate) database_url: String,
    pub(crate) amqp_namespace: String,
    /// Dropped with the stack; absent if the test has a PostgreSQL of its own.
    _database: Option<Database>,
}

impl Stack {
    /// The services of the run, with databases and a namespace for this test.
    pub(crate) async fn shared() -> Arc<Self> {
        Self::with_redis(&own_redis_url().await).await
    }

    /// Like `shared`, but with another Redis, such as a private one or a proxy in front of it.
    pub(crate) async fn with_redis(redis_url: &str) -> Arc<Self> {
        let database = Database::create().await;
        let database_url = database.url().to_owned();
        Self::migrated(redis_url.to_owned(), amqp_url(), database_url, Some(database))
    }

    /// Private services. The database is migrated here, so it must answer.
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

    /// The settings with which a node uses these services.
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

/// Settings of a node to start.
#[derive(Debug, Clone)]
pub(crate) struct NodeBuilder {
    settings: BTreeMap<String, String>,
    /// Keeps the services alive as long as the node.
    stack: Option<Arc<Stack>>,
}

impl NodeBuilder {
    fn new() -> Self {
        let settings = [
            ("OPENRUN_BIND", "127.0.0.1:0"),
            ("OPENRUN_LOG_FORMAT", "json"),
            ("OPENRUN_WORKERS", "2"),
            // Many nodes share the run's PostgreSQL.
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

    /// Starts the node and waits until it serves. Panics if it does not.
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

/// A running node, until it is killed or terminated. Dropping it kills it, and prints the end of its log if the test
/// has failed.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    // Drop order: the process before the directory that it writes to.
    process: Option<Process>,
    address: SocketAddr,
    /// Each start has a log of its own.
    starts: usize,
    builder: NodeBuilder,
    watchdog: Watchdog,
    folder: TempDir,
}

impl NodeProcess {
    /// A node on the embedded engine, with its own data directory.
    pub(crate) fn embedded() -> NodeBuilder {
        NodeBuilder::new()
    }

    /// A node on the full stack. Several nodes may share the stack.
    pub(crate) fn redis_lua(stack: &Arc<Stack>) -> NodeBuilder {
        let builder = stack
            .settings()
            .into_iter()
            .fold(NodeBuilder::new(), |builder, (name, value)| builder.set(name, value));
        NodeBuilder { stack: Some(Arc::clone(stack)), ..builder }
    }

    /// A node on the full stack with the engine `redis-lock`.
    pub(crate) fn redis_lock(stack: &Arc<Stack>) -> NodeBuilder {
        Self::redis_lua(stack).set("OPENRUN_ENGINE", "redis-lock")
    }

    /// A node on an engine in PostgreSQL, without Redis and RabbitMQ. Several nodes may share the stack.
    pub(crate) fn postgres(engine: &str, stack: &Arc<Stack>) -> NodeBuilder {
        let builder = NodeBuilder::new()
            .set("OPENRUN_ENGINE", engine)
            .set("OPENRUN_DATABASE_URL", &*stack.database_url);
        NodeBuilder { stack: Some(Arc::clone(stack)), ..builder }
    }

    /// The address it listens on; the port changes with each start.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path that begins with a slash, or of the node for "".
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Data directory of an embedded node, unless the test sets another.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// The logs of all starts.
    pub(crate) fn log(&self) -> String {
        let read = |start| fs::read(self.log_file(start)).unwrap_or_default();
        (1..=self.starts).map(|start| String::from_utf8_lossy(&read(start)).into_owned()).collect()
    }

    /// Kills the node by SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_tree();
        }
    }

    /// Sends SIGTERM; [`NodeProcess::ended`] waits for the end.
    pub(crate) fn ask_to_end(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Terminate);
    }

    /// Waits until the node has ended by itself, and returns its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("the node runs");
        process.until_ended(STOP_BOUND).await;
        process.exit_code()
    }

    /// Ends the node by SIGTERM and returns its exit code.
    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        self.ask_to_end();
        self.ended().await
    }

    /// Freezes the node by SIGSTOP: connections are accepted, but requests are not answered.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Stop);
    }

    /// Continues a frozen node.
    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("the node runs").signal(Signal::Continue);
    }

    /// Kills the node if it runs, and starts it with the same settings and data, on another port.
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
            assert!(Instant::now() < deadline, "the node did not serve within {START_BOUND:?}");
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

/// The address in the node's log, once that line is complete.
fn served_address(log: &Path) -> Option<SocketAddr> {
    let log = fs::read(log).ok()?;
    String::from_utf8_lossy(&log).lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let fields = line.get("fields")?;
        (fields.get("message")? == SERVES).then_some(fields.get("address")?.as_str()?.parse().ok()?)
    })
}
