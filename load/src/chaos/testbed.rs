//! The system under test: three services, the nodes with their proxies, and the members.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clients::Clients;
use super::command::output;
use super::config::Config;
use super::disk::SmallDisk;
use super::node::{Links, Node, openrun};
use super::power::SyncLog;
use crate::fleet::proxy::Proxy;
use crate::fleet::services::{Postgres, PrivatePostgres, PrivateRabbitMq, PrivateRedis, RabbitMq, Redis};
use crate::rng::Rng;

/// The nodes' database and its owner, which is no superuser; the run itself connects as superuser.
pub(super) const DATABASE: &str = "openrun";
/// Few enough to be exhausted by a fault.
pub(super) const DATABASE_CONNECTIONS_MAX: usize = 40;
pub(super) const NAMESPACE: &str = "chaos";

/// Everything that a fault can break.
pub(super) struct TestBed {
    // Drop order: the nodes before the services.
    pub(super) nodes: Vec<Node>,
    pub(super) redis: PrivateRedis,
    pub(super) rabbitmq: PrivateRabbitMq,
    pub(super) postgres: PrivatePostgres,
    /// The disk of the tables, if it could be mounted.
    pub(super) disk: Result<SmallDisk, String>,
    /// The record of Redis's syncs, if the library could be built.
    pub(super) synced: Result<SyncLog, String>,
    /// Random generator of the fault under way.
    pub(super) rng: Rng,
    /// Whether the binary has abort points.
    pub(super) aborts: Result<(), String>,
    /// Absent before the members start.
    pub(super) clients: Option<Arc<Clients>>,
    /// Messages published by faults.
    pub(super) planted: Planted,
    /// Violations found by faults.
    pub(super) violations: Vec<super::checker::Violation>,
    redis_arguments: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Planted {
    /// Coupon, sequence and member of the messages that contradict a row.
    pub(super) conflicts: Vec<(String, u32, String)>,
    /// Payloads of the unreadable messages, all different.
    pub(super) poison: Vec<String>,
}

impl TestBed {
    /// Starts the services concurrently, and then the nodes.
    ///
    /// # Errors
    /// The reason for which this machine cannot run it, as one sentence.
    pub(super) async fn start(config: &Config) -> Result<Self, String> {
        let synced = SyncLog::prepare(config.slow_sync).await;
        let redis_arguments = config.redis_arguments.clone();
        let settings = vec![format!("max_connections={DATABASE_CONNECTIONS_MAX}")];
        let (redis, rabbitmq, postgres) = tokio::join!(
            PrivateRedis::start_as(redis_kind(&redis_arguments, &synced)),
            PrivateRabbitMq::start_as(RabbitMq::default()),
            PrivatePostgres::start_as(Postgres { settings })
        );
        let disk =
            if config.small_disk { SmallDisk::mount() } else { Err("the run has no small disk".to_owned()) };
        let mut testbed = Self {
            nodes: Vec::new(),
            redis,
            rabbitmq,
            postgres,
            disk,
            synced,
            rng: Rng::new(0),
            aborts: super::probe::aborts(&config.openrun).await,
            clients: None,
            planted: Planted::default(),
            violations: Vec::new(),
            redis_arguments,
        };
        testbed.create_database().await?;
        testbed.migrate(&config.openrun).await?;
        for _ in 0..config.nodes {
            let node = testbed.node(config).await.map_err(|error| error.to_string())?;
            testbed.nodes.push(node);
        }
        for node in &mut testbed.nodes {
            node.restart().await?;
        }
        Ok(testbed)
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
            // Losses must show, and not be repaired before the checker sees them.
            ("OPENRUN_RECONCILE_INTERVAL", "off".to_owned()),
            ("OPENRUN_WORKERS", "2".to_owned()),
            ("OPENRUN_DATABASE_CONNECTIONS", "5".to_owned()),
            // Shorter than the clients' timeout, so that the node reports an unknown outcome first.
            ("OPENRUN_REQUEST_TIMEOUT_MS", "3000".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into_iter();
        let settings = settings.chain(config.settings.iter().cloned()).collect();
        Node::new(&config.openrun, links, settings)
    }

    /// Restarts RabbitMQ in order. RabbitMQ 3.10 writes its list of quorum queues only at an orderly stop or after
    /// minutes; killed before, it comes back with queues without a leader.
    pub(super) async fn make_queues_durable(&mut self) {
        self.rabbitmq.stop().await;
        self.rabbitmq.restart().await;
    }

    /// Starts another Redis like the first.
    pub(super) async fn another_redis(&self, more: &[String]) -> PrivateRedis {
        let arguments: Vec<String> = self.redis_arguments.iter().chain(more).cloned().collect();
        PrivateRedis::start_as(redis_kind(&arguments, &self.synced)).await
    }

    /// Directs every node's proxy to this Redis.
    pub(super) fn replace_redis(&mut self, redis: PrivateRedis) {
        for node in &self.nodes {
            node.links.redis.redirect_to(redis.port());
        }
        self.redis = redis;
    }

    /// Sleeps for a random time.
    pub(super) async fn sleep_between(&mut self, shortest_ms: u64, longest_ms: u64) {
        let (shortest, longest) = (Duration::from_millis(shortest_ms), Duration::from_millis(longest_ms));
        tokio::time::sleep(self.rng.between(shortest, longest)).await;
    }

    /// The number of a random node.
    pub(super) fn any_node(&mut self) -> usize {
        self.rng.below(self.nodes.len())
    }

    /// Runs statements as superuser; returns psql's unaligned rows.
    pub(super) async fn sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let mut command = self.postgres.psql(database);
        // The run may write even during the fault that makes the database read-only.
        command.env("PGOPTIONS", "-c default_transaction_read_only=off").env("PGCONNECT_TIMEOUT", "10");
        output(command_with(command, statement)).await
    }

    /// Runs `redis-cli` on the primary.
    pub(super) async fn redis_cli(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = std::process::Command::new("redis-cli");
        command.args(["-e", "-p", &self.redis.port().to_string()]).args(arguments);
        output(command).await
    }

    /// Runs `rabbitmqctl`.
    pub(super) async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.rabbitmq.control();
        command.args(arguments);
        output(command).await
    }

    /// Time by the clock of the history.
    pub(super) fn now_us(&self) -> u64 {
        self.clients.as_ref().map_or(0, |clients| clients.clock.now_us())
    }

    /// Copies the logs of all processes into `directory`.
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

pub(super) fn amqp_url(port: u16) -> String {
    <RabbitMq as crate::fleet::services::Kind>::url(port)
}
