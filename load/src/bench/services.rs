//! The services of a bench, and for each contender an empty database, an empty Redis and an empty folder.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

use super::config::EMBEDDED;
use super::{BenchError, bench_error};
use crate::chaos::command::output;
use crate::chaos::node::openrun;
use crate::chaos::probe::is_openrun;
use crate::fleet::services::{PrivatePostgres, PrivateRabbitMq, PrivateRedis, missing_programs};

const CONNECT_BOUND: Duration = Duration::from_secs(30);

/// The prefix of exchanges and queues. Every node leaves them empty.
const NAMESPACE: &str = "bench";

/// Redis syncs every write before it answers; the other services have their defaults.
pub(super) struct BenchServices {
    redis: Option<PrivateRedis>,
    stack: Option<Stack>,
    setups: u32,
}

struct Stack {
    rabbitmq: PrivateRabbitMq,
    postgres: PrivatePostgres,
    superuser: PgPool,
    database: Option<String>,
}

/// The settings and the folder of one node.
pub(super) struct NodeSetup {
    pub(super) settings: Vec<(String, String)>,
    pub(super) database_url: Option<String>,
    pub(super) folder: TempDir,
}

impl NodeSetup {
    /// The same services, with a new folder.
    pub(super) fn with_own_folder(&self) -> Result<Self, BenchError> {
        let Self { settings, database_url, .. } = self;
        Ok(Self { settings: settings.clone(), database_url: database_url.clone(), folder: create_folder()? })
    }
}

fn create_folder() -> Result<TempDir, BenchError> {
    tempfile::Builder::new().prefix("openrun-bench-").tempdir().map_err(bench_error)
}

impl BenchServices {
    /// Checks the program under test, and starts the services that are needed.
    pub(super) async fn prepare(
        program: &Path,
        needs_redis: bool,
        needs_all: bool,
    ) -> Result<Self, BenchError> {
        is_openrun(program).await?;
        let missing = missing_programs();
        if needs_all && !missing.is_empty() {
            return Err(BenchError(format!(
                "{} must be installed: scripts/test does so",
                missing.join(", ")
            )));
        }
        let stack = async {
            if !needs_all {
                return Ok(None);
            }
            let (rabbitmq, postgres) = tokio::join!(PrivateRabbitMq::start(), PrivatePostgres::start());
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_BOUND);
            let superuser = pool.connect(&postgres.url()).await.map_err(bench_error)?;
            Ok::<_, BenchError>(Some(Stack { rabbitmq, postgres, superuser, database: None }))
        };
        let redis = async { if needs_redis || needs_all { Some(PrivateRedis::start().await) } else { None } };
        let (redis, stack) = tokio::join!(redis, stack);
        Ok(Self { redis, stack: stack?, setups: 0 })
    }

    pub(super) fn redis_url(&self) -> Option<String> {
        self.redis.as_ref().map(PrivateRedis::url)
    }

    pub(super) fn amqp_url(&self) -> Option<String> {
        self.stack.as_ref().map(|stack| stack.rabbitmq.url())
    }

    /// Runs one command on Redis.
    pub(super) async fn run_redis(&self, command: &redis::Cmd) -> Result<(), BenchError> {
        let Some(url) = self.redis_url() else { return Ok(()) };
        let client = redis::Client::open(url).map_err(bench_error)?;
        let mut connection = client.get_multiplexed_async_connection().await.map_err(bench_error)?;
        command.query_async(&mut connection).await.map_err(bench_error)
    }

    /// Empty services and a new folder for a node with this engine.
    pub(super) async fn prepare_node(
        &mut self,
        program: &Path,
        engine: &str,
    ) -> Result<NodeSetup, BenchError> {
        self.clear().await?;
        let folder = create_folder()?;
        let mut settings = vec![("OPENRUN_ENGINE".to_owned(), engine.to_owned())];
        if engine == EMBEDDED {
            return Ok(NodeSetup { settings, database_url: None, folder });
        }
        let (Some(redis), Some(stack)) = (&self.redis, &mut self.stack) else {
            return Err(BenchError(format!("the services of {engine} are not running")));
        };
        let name = format!("bench_{}", self.setups);
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&stack.superuser).await.map_err(bench_error)?;
        let url = stack.postgres.url();
        let database_url = url.rsplit_once('/').map_or(url.clone(), |(before, _)| format!("{before}/{name}"));
        stack.database = Some(name);
        let mut migrate = openrun(program);
        migrate.arg("migrate").env("OPENRUN_DATABASE_URL", &database_url);
        output(migrate).await?;
        let setting = |name: &str, value: String| (name.to_owned(), value);
        settings.extend([
            setting("OPENRUN_REDIS_URL", redis.url()),
            setting("OPENRUN_AMQP_URL", stack.rabbitmq.url()),
            setting("OPENRUN_DATABASE_URL", database_url.clone()),
            setting("OPENRUN_AMQP_NAMESPACE", NAMESPACE.to_owned()),
        ]);
        Ok(NodeSetup { settings, database_url: Some(database_url), folder })
    }

    /// Removes the data of the last contender, so that vacuuming or syncing it does not disturb the next one.
    pub(super) async fn clear(&mut self) -> Result<(), BenchError> {
        self.setups += 1;
        self.run_redis(&redis::cmd("FLUSHALL")).await?;
        if let Some(stack) = &mut self.stack
            && let Some(database) = stack.database.take()
        {
            let drop = AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"));
            sqlx::query(drop).execute(&stack.superuser).await.map_err(bench_error)?;
            sqlx::query("CHECKPOINT").execute(&stack.superuser).await.map_err(bench_error)?;
        }
        Ok(())
    }
}
