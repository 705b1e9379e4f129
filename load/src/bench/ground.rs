//! What contenders stand on: services of the bench's own, and for each life a database, a Redis and a folder that are empty.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

use super::config::EMBEDDED;
use super::{BenchError, sentence};
use crate::chaos::command::output;
use crate::chaos::node::openrun;
use crate::chaos::probe::is_openrun;
use crate::fleet::services::{PrivatePostgres, PrivateRabbitMq, PrivateRedis, missing_programs};

const CONNECT_BOUND: Duration = Duration::from_secs(30);

/// The prefix of exchanges and queues. Every life leaves them empty.
const NAMESPACE: &str = "bench";

/// Redis syncs every write before it is answered; the others are as they are by default.
pub(super) struct Ground {
    redis: Option<PrivateRedis>,
    rest: Option<Rest>,
    lives: u32,
}

struct Rest {
    rabbitmq: PrivateRabbitMq,
    postgres: PrivatePostgres,
    superuser: PgPool,
    database: Option<String>,
}

/// What one life is told, and what is gone after it.
pub(super) struct Plot {
    pub(super) settings: Vec<(String, String)>,
    pub(super) database_url: Option<String>,
    pub(super) folder: TempDir,
}

impl Plot {
    /// The same services, and a folder of its own.
    pub(super) fn neighbour(&self) -> Result<Self, BenchError> {
        let Self { settings, database_url, .. } = self;
        Ok(Self { settings: settings.clone(), database_url: database_url.clone(), folder: folder()? })
    }
}

fn folder() -> Result<TempDir, BenchError> {
    tempfile::Builder::new().prefix("openrun-bench-").tempdir().map_err(sentence)
}

impl Ground {
    /// Starts what is needed, if the program under test is one.
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
        let rest = async {
            if !needs_all {
                return Ok(None);
            }
            let (rabbitmq, postgres) = tokio::join!(PrivateRabbitMq::start(), PrivatePostgres::start());
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_BOUND);
            let superuser = pool.connect(&postgres.url()).await.map_err(sentence)?;
            Ok::<_, BenchError>(Some(Rest { rabbitmq, postgres, superuser, database: None }))
        };
        let redis = async { if needs_redis || needs_all { Some(PrivateRedis::start().await) } else { None } };
        let (redis, rest) = tokio::join!(redis, rest);
        Ok(Self { redis, rest: rest?, lives: 0 })
    }

    /// Where Redis is, if it is.
    pub(super) fn redis_url(&self) -> Option<String> {
        self.redis.as_ref().map(PrivateRedis::url)
    }

    /// Where RabbitMQ is, if it is.
    pub(super) fn amqp_url(&self) -> Option<String> {
        self.rest.as_ref().map(|rest| rest.rabbitmq.url())
    }

    /// Runs one command on Redis.
    pub(super) async fn redis(&self, command: &redis::Cmd) -> Result<(), BenchError> {
        let Some(url) = self.redis_url() else { return Ok(()) };
        let client = redis::Client::open(url).map_err(sentence)?;
        let mut connection = client.get_multiplexed_async_connection().await.map_err(sentence)?;
        command.query_async(&mut connection).await.map_err(sentence)
    }

    /// An empty place for a node with this engine. Whatever the last life had left is gone.
    pub(super) async fn fresh(&mut self, program: &Path, engine: &str) -> Result<Plot, BenchError> {
        self.clear().await?;
        let folder = folder()?;
        let mut settings = vec![("OPENRUN_ENGINE".to_owned(), engine.to_owned())];
        if engine == EMBEDDED {
            return Ok(Plot { settings, database_url: None, folder });
        }
        let (Some(redis), Some(rest)) = (&self.redis, &mut self.rest) else {
            return Err(BenchError(format!("the services of {engine} are not there")));
        };
        let name = format!("bench_{}", self.lives);
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&rest.superuser).await.map_err(sentence)?;
        let url = rest.postgres.url();
        let database_url = url.rsplit_once('/').map_or(url.clone(), |(before, _)| format!("{before}/{name}"));
        rest.database = Some(name);
        let mut migrate = openrun(program);
        migrate.arg("migrate").env("OPENRUN_DATABASE_URL", &database_url);
        output(migrate).await?;
        let setting = |name: &str, value: String| (name.to_owned(), value);
        settings.extend([
            setting("OPENRUN_REDIS_URL", redis.url()),
            setting("OPENRUN_AMQP_URL", rest.rabbitmq.url()),
            setting("OPENRUN_DATABASE_URL", database_url.clone()),
            setting("OPENRUN_AMQP_NAMESPACE", NAMESPACE.to_owned()),
        ]);
        Ok(Plot { settings, database_url: Some(database_url), folder })
    }

    /// Takes away what the last life had left, so that nobody vacuums or syncs it beside the next one.
    pub(super) async fn clear(&mut self) -> Result<(), BenchError> {
        self.lives += 1;
        self.redis(&redis::cmd("FLUSHALL")).await?;
        if let Some(rest) = &mut self.rest
            && let Some(database) = rest.database.take()
        {
            let drop = AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"));
            sqlx::query(drop).execute(&rest.superuser).await.map_err(sentence)?;
            sqlx::query("CHECKPOINT").execute(&rest.superuser).await.map_err(sentence)?;
        }
        Ok(())
    }
}
