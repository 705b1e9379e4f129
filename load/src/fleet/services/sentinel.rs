//! Private sentinels, and the primary and replicas that they watch.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use redis::{Value, from_redis_value};

use super::{Kind, Private, PrivateRedis, Redis, Signal};

const REPLICAS: usize = 2;
const SENTINELS: usize = 3;
/// Name of the primary.
const NAME: &str = "mymaster";
/// Milliseconds without an answer after which a sentinel takes the primary for down.
const DOWN_AFTER_MS: u32 = 1_000;
const POLL: Duration = Duration::from_millis(50);
const ANSWER_BOUND: Duration = Duration::from_secs(5);
const STEP_BOUND: Duration = Duration::from_secs(60);

/// One sentinel, which needs one other for a failover.
#[derive(Debug)]
pub struct Sentinel {
    pub primary_port: u16,
    /// More lines of its configuration, such as `requirepass secret`.
    pub settings: Vec<String>,
}

impl Kind for Sentinel {
    const NAME: &'static str = "sentinel";
    const READY: &'static str = "+monitor master";
    const STOP: Signal = Signal::Terminate;

    fn url(port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    /// A sentinel keeps its state in its configuration file.
    fn initialise(&self, data: &Path) {
        let port = self.primary_port;
        let lines = [
            format!("sentinel monitor {NAME} 127.0.0.1 {port} 2"),
            format!("sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}"),
            format!("sentinel failover-timeout {NAME} 5000"),
        ];
        let text = [&lines[..], &self.settings[..]].concat().join("\n");
        fs::write(data.join("sentinel.conf"), text).expect("the file can be written");
    }

    fn command(&self, data: &Path, port: u16) -> Command {
        let mut command = Command::new("redis-server");
        command.arg(data.join("sentinel.conf")).args(["--sentinel", "--bind", "127.0.0.1"]);
        command.args(["--port", &port.to_string()]).arg("--dir").arg(data);
        command
    }
}

/// A primary, its replicas, and the sentinels that promote one of them when it is lost.
#[derive(Debug)]
pub struct SentinelSet {
    sentinels: Vec<Private<Sentinel>>,
    servers: Vec<PrivateRedis>,
}

impl SentinelSet {
    /// Starts all, and waits until every sentinel knows the others and the replicas.
    ///
    /// # Panics
    /// If they do not within a minute.
    pub async fn start() -> Self {
        let primary = PrivateRedis::start().await;
        let primary_port = primary.port();
        let mut set = Self { sentinels: Vec::new(), servers: vec![primary] };
        for _ in 0..REPLICAS {
            let extra_arguments =
                ["--replicaof".to_owned(), "127.0.0.1".to_owned(), primary_port.to_string()];
            let replica = Redis { extra_arguments: extra_arguments.into(), ..Redis::default() };
            set.servers.push(PrivateRedis::start_as(replica).await);
        }
        for server in &set.servers[1..] {
            wait_for_line(server.port(), &["INFO", "replication"], "master_link_status:up").await;
        }
        for _ in 0..SENTINELS {
            set.sentinels.push(Private::start_as(Sentinel { primary_port, settings: Vec::new() }).await);
        }
        let known =
            format!("status=ok,address=127.0.0.1:{primary_port},slaves={REPLICAS},sentinels={SENTINELS}");
        for sentinel in &set.sentinels {
            wait_for_line(sentinel.port(), &["INFO", "sentinel"], &known).await;
        }
        set
    }

    /// The URL with which a node asks these sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port())).collect();
        format!("redis-sentinel://{}/{NAME}", hosts.join(","))
    }

    #[must_use]
    pub fn sentinels(&mut self) -> &mut [Private<Sentinel>] {
        &mut self.sentinels
    }

    /// The server that the first sentinel names as the primary.
    pub async fn primary(&mut self) -> &mut PrivateRedis {
        let port = self.primary_port().await;
        self.server(port)
    }

    /// The server on `port`.
    ///
    /// # Panics
    /// If it is not of this set.
    pub fn server(&mut self, port: u16) -> &mut PrivateRedis {
        self.servers.iter_mut().find(|server| server.port() == port).expect("a server of this set")
    }

    /// Waits until all sentinels name another primary than the one on `old_port`, and that is one. All must run.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub async fn until_promoted(&self, old_port: u16) -> u16 {
        let deadline = Instant::now() + STEP_BOUND;
        loop {
            let port = self.primary_port().await;
            if port != old_port && self.is_agreed(port).await {
                return port;
            }
            assert!(Instant::now() < deadline, "no replica was promoted within {STEP_BOUND:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether the server on `port` is a primary for itself and for each sentinel. A sentinel learns of a promotion from
    /// the one that led it.
    async fn is_agreed(&self, port: u16) -> bool {
        for sentinel in &self.sentinels {
            if named_port(sentinel).await != port {
                return false;
            }
        }
        query(port, &["INFO", "replication"]).await.contains("role:master")
    }

    /// Waits until the server on `port` is a replica in step with the primary.
    ///
    /// # Panics
    /// If it is not within a minute.
    pub async fn until_demoted(&self, port: u16) {
        wait_for_line(port, &["INFO", "replication"], "role:slave").await;
        wait_for_line(port, &["INFO", "replication"], "master_link_status:up").await;
    }

    async fn primary_port(&self) -> u16 {
        named_port(&self.sentinels[0]).await
    }
}

async fn named_port(sentinel: &Private<Sentinel>) -> u16 {
    let answer = query(sentinel.port(), &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
    let port = answer.split_whitespace().last().and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("a sentinel does not know the primary: {answer:?}"))
}

/// Waits until the answer of the server on `port` contains `text`.
async fn wait_for_line(port: u16, words: &[&str], text: &str) {
    let deadline = Instant::now() + STEP_BOUND;
    loop {
        let answer = query(port, words).await;
        if answer.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "{words:?} lacks {text:?} after {STEP_BOUND:?}: {answer}");
        tokio::time::sleep(POLL).await;
    }
}

/// The answer to a command, one line for each value; an empty text if there is none in time.
async fn query(port: u16, words: &[&str]) -> String {
    let query = async {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let value: Value = redis::Cmd::new().arg(words).query_async(&mut connection).await.ok()?;
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        let lines: Result<Vec<String>, _> = values.into_iter().map(from_redis_value).collect();
        Some(lines.ok()?.join("\n"))
    };
    tokio::time::timeout(ANSWER_BOUND, query).await.ok().flatten().unwrap_or_default()
}
