//! What faults are done to: three services, the nodes with their links, and the crowd.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::command::output;
use super::config::Config;
use super::crowd::Crowd;
use super::disk::SmallDisk;
use super::node::{Links, Node, openrun};
use super::power::SyncLog;
use crate::fleet::proxy::Proxy;
use crate::fleet::services::{Postgres, PrivatePostgres, PrivateRabbitMq, PrivateRedis, RabbitMq, Redis};
use crate::rng::Rng;

/// The database of the nodes, whose owner is no superuser: the superuser is the run's own.
pub(super) const DATABASE: &str = "openrun";
/// Few enough that they can be used up.
pub(super) const DATABASE_CONNECTIONS_MAX: usize = 40;
/// The prefix of exchanges and queues.
pub(super) const NAMESPACE: &str = "chaos";

/// Everything that can be broken.
pub(super) struct Arena {
    // Fields are dropped in this order: the nodes before what they depend on.
    pub(super) nodes: Vec<Node>,
    pub(super) redis: PrivateRedis,
    pub(super) rabbitmq: PrivateRabbitMq,
    pub(super) postgres: PrivatePostgres,
    /// Where the tables are, if it could be mounted.
    pub(super) disk: Result<SmallDisk, String>,
    /// What of Redis's files has really been synced, if that can be watched.
    pub(super) synced: Result<SyncLog, String>,
    /// What the fault under way decides by.
    pub(super) rng: Rng,
    /// Whether the nodes can be made to die at places of their code.
    pub(super) aborts: Result<(), String>,
    /// Absent before the members come.
    pub(super) crowd: Option<Arc<Crowd>>,
    /// What the faults themselves have put on the queue.
    pub(super) planted: Planted,
    /// What a fault has seen that must not be.
    pub(super) seen: Vec<super::checker::Violation>,
    redis_arguments: Vec<String>,
}

/// Messages that nobody has issued.
#[derive(Clone, Debug, Default)]
pub(super) struct Planted {
    /// Coupon, sequence and member of those that contradict a row.
    pub(super) conflicts: Vec<(String, u32, String)>,
    /// Those that nobody can read, each of its own text.
    pub(super) poison: Vec<String>,
}

impl Arena {
    /// Starts the services side by side, and then the nodes.
    ///
    /// # Errors
    /// One sentence that says why this machine cannot run it.
    pub(super) async fn start(config: &Config) -> Result<Self, String> {
        let synced = SyncLog::prepare(config.slow_sync).await;
        let redis_arguments = config.redis_arguments.clone();
        let settings = vec![format!("max_connections={DATABASE_CONNECTIONS_MAX}")];
        let (redis, rabbitmq, postgres) = tokio::join!(
            PrivateRedis::start_as(redis_kind(&redis_arguments, &synced)),
            PrivateRabbitMq::start_as(RabbitMq::default()),
            PrivatePostgres::start_as(Postgres { settings })
        );
        let disk = if config.small_disk { SmallDisk::mount() } else { Err("it is not asked for".to_owned()) };
        let mut arena = Self {
            nodes: Vec::new(),
            redis,
            rabbitmq,
            postgres,
            disk,
            synced,
            rng: Rng::new(0),
            aborts: super::probe::aborts(&config.openrun).await,
            crowd: None,
            planted: Planted::default(),
            seen: Vec::new(),
            redis_arguments,
        };
        arena.create_database().await?;
        arena.migrate(&config.openrun).await?;
        for _ in 0..config.nodes {
            let node = arena.node(config).await.map_err(|error| error.to_string())?;
            arena.nodes.push(node);
        }
        for node in &mut arena.nodes {
            node.restart().await?;
        }
        Ok(arena)
    }

    async fn create_database(&self) -> Result<(), String> {
        let mut create = format!("CREATE DATABASE {DATABASE} OWNER {DATABASE}");
        if let Ok(disk) = &self.disk {
            self.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", disk.tables())).await?;
            create.push_str(" TABLESPACE small");
        }
        self.sql("postgres", &format!("CREATE ROLE {DATABASE} LOGIN")).await?;
        self.sql("postgres", &create).await.map(drop)
    }

    async fn migrate(&self, program: &Path) -> Result<(), String> {
        let mut command = openrun(program);
        command.arg("migrate").env("OPENRUN_DATABASE_URL", database_url(self.postgres.port()));
        output(command).await.map(drop)
    }

    async fn node(&self, config: &Config) -> std::io::Result<Node> {
        let links = Links {
            redis: Proxy::start(self.redis.port()).await,
            rabbitmq: Proxy::start(self.rabbitmq.port()).await,
            postgres: Proxy::start(self.postgres.port()).await,
        };
        let settings = [
            ("OPENRUN_ENGINE", "redis-lua".to_owned()),
            ("OPENRUN_REDIS_URL", self.redis.url_through(links.redis.port())),
            ("OPENRUN_AMQP_URL", self.rabbitmq.url_through(links.rabbitmq.port())),
            ("OPENRUN_DATABASE_URL", database_url(links.postgres.port())),
            ("OPENRUN_AMQP_NAMESPACE", NAMESPACE.to_owned()),
            ("OPENRUN_LOG_FORMAT", "json".to_owned()),
            // What is lost must show, and not be repaired behind the checker's back.
            ("OPENRUN_RECONCILE_INTERVAL", "off".to_owned()),
            ("OPENRUN_WORKERS", "2".to_owned()),
            ("OPENRUN_DATABASE_CONNECTIONS", "5".to_owned()),
            // Shorter than the clients' patience, so that the node is the one to say that nobody knows.
            ("OPENRUN_REQUEST_TIMEOUT_MS", "3000".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into_iter();
        let settings = settings.chain(config.settings.iter().cloned()).collect();
        Node::new(&config.openrun, links, settings)
    }

    /// RabbitMQ 3.10 writes its list of quorum queues down only at an orderly end or after minutes. Killed sooner, it
    /// comes back with queues that have no leader.
    pub(super) async fn let_the_queues_settle(&mut self) {
        self.rabbitmq.stop().await;
        self.rabbitmq.restart().await;
    }

    /// Another Redis like the first, with more arguments.
    pub(super) async fn another_redis(&self, more: &[String]) -> PrivateRedis {
        let arguments: Vec<String> = self.redis_arguments.iter().chain(more).cloned().collect();
        PrivateRedis::start_as(redis_kind(&arguments, &self.synced)).await
    }

    /// From now on every node finds this Redis where it looks for its own.
    pub(super) fn replace_redis(&mut self, redis: PrivateRedis) {
        for node in &self.nodes {
            node.links.redis.lead_to(redis.port());
        }
        self.redis = redis;
    }

    /// Waits for a time between the two.
    pub(super) async fn linger(&mut self, shortest_ms: u64, longest_ms: u64) {
        let (shortest, longest) = (Duration::from_millis(shortest_ms), Duration::from_millis(longest_ms));
        tokio::time::sleep(self.rng.between(shortest, longest)).await;
    }

    /// One of the nodes.
    pub(super) fn any_node(&mut self) -> usize {
        self.rng.below(self.nodes.len())
    }

    /// Runs statements as the superuser, each by itself; gives the bare rows.
    pub(super) async fn sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let mut command = self.postgres.psql(database);
        // The run may write even while nobody else may.
        command.env("PGOPTIONS", "-c default_transaction_read_only=off").env("PGCONNECT_TIMEOUT", "10");
        output(command_with(command, statement)).await
    }

    /// Says something to Redis itself.
    pub(super) async fn redis_says(&self, words: &[&str]) -> Result<String, String> {
        let mut command = std::process::Command::new("redis-cli");
        command.args(["-e", "-p", &self.redis.port().to_string()]).args(words);
        output(command).await
    }

    /// Says something to RabbitMQ itself.
    pub(super) async fn rabbitmq_does(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.rabbitmq.control();
        command.args(words);
        output(command).await
    }

    /// By the clock of the history.
    pub(super) fn now_us(&self) -> u64 {
        self.crowd.as_ref().map_or(0, |crowd| crowd.clock.now_us())
    }

    /// Keeps the logs of all processes.
    pub(super) fn keep_logs(&self, directory: &Path) {
        for (number, node) in self.nodes.iter().enumerate() {
            node.keep_logs(directory, &format!("node-{number}"));
        }
        let services = [
            ("redis", self.redis.log()),
            ("rabbitmq", self.rabbitmq.log()),
            ("postgres", self.postgres.log()),
        ];
        for (name, log) in services {
            let _kept = std::fs::copy(log, directory.join(format!("{name}.log")));
        }
    }
}

fn command_with(mut command: std::process::Command, statement: &str) -> std::process::Command {
    command.args(["-c", statement]);
    command
}

fn redis_kind(arguments: &[String], synced: &Result<SyncLog, String>) -> Redis {
    let environment = synced.as_ref().map(SyncLog::environment).unwrap_or_default();
    Redis { extra_arguments: arguments.to_vec(), environment }
}

fn database_url(port: u16) -> String {
    format!("postgres://{DATABASE}@127.0.0.1:{port}/{DATABASE}")
}

/// The address of a service on this machine.
pub(super) fn amqp_url(port: u16) -> String {
    <RabbitMq as crate::fleet::services::Kind>::url(port)
}
