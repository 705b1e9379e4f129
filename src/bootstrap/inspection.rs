//! Opens the data of a service for `reconcile` and `verify`, without joining its cluster. The service may be running.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::backend::StartError;
use super::data_location;
use super::engine_kind::EngineKind;
use crate::actors::reconcile::ReconcileDeps;
use crate::messaging::rabbitmq::{self, Namespace, RabbitSettings};
use crate::persistence::postgres::{
    self, Database, DatabaseSettings, Locking, PostgresCatalog, PostgresEngine, PostgresLostNumbers,
    PostgresStore,
};
use crate::persistence::redis::{RedisConnection, RedisLuaEngine};
use crate::persistence::sqlite::{EmbeddedEngine, SqliteCatalog, SqliteDatabase, SqliteIssuanceStore};
use crate::ports::{AdmissionEngine, Outbox};

/// Connections of one inspection, which runs one statement at a time.
const CONNECTIONS: u32 = 2;

/// The data to inspect.
#[derive(Debug, Clone)]
pub enum InspectionSettings {
    /// The embedded engine's file in this directory. It is opened read-only: engine and database are one, so that they
    /// cannot disagree and nothing needs repair.
    Embedded(PathBuf),
    /// The full stack. The broker is not read: its messages are in the outbox, too.
    Stack {
        engine: EngineKind,
        redis: SecretString,
        database: SecretString,
        /// If false, the connections to PostgreSQL are read-only.
        may_write: bool,
    },
    /// An engine that decides in PostgreSQL: engine and database are one, as in `Embedded`.
    Postgres { locking: Locking, database: SecretString },
}

impl InspectionSettings {
    /// The engine's name, and the location of its data without secrets.
    #[must_use]
    pub fn data_location(&self) -> (&'static str, String) {
        match self {
            Self::Embedded(data_dir) => (EngineKind::Embedded.name(), data_dir.display().to_string()),
            Self::Stack { engine, database, redis, .. } => {
                (engine.name(), data_location::of_stack(database, redis))
            }
            Self::Postgres { locking, database } => {
                (EngineKind::Postgres(*locking).name(), data_location::of_postgres(database))
            }
        }
    }
}

/// Open connections to the inspected data.
pub struct Inspection {
    pub deps: ReconcileDeps,
    opened: Opened,
}

enum Opened {
    Sqlite(SqliteDatabase),
    Postgres(Box<Database>),
}

impl Inspection {
    pub async fn connect(settings: &InspectionSettings) -> Result<Self, StartError> {
        match settings {
            InspectionSettings::Embedded(data_dir) => {
                let database = SqliteDatabase::open_read_only(data_dir).await?;
                let deps = ReconcileDeps {
                    engine: Arc::new(EmbeddedEngine::new(database.clone())),
                    catalog: Arc::new(SqliteCatalog::new(database.clone())),
                    store: Arc::new(SqliteIssuanceStore::new(database.clone())),
                    quarantine: Arc::new(SqliteIssuanceStore::new(database.clone())),
                    outbox: None,
                    lost: None,
                };
                Ok(Self { deps, opened: Opened::Sqlite(database) })
            }
            InspectionSettings::Stack { redis, database, may_write, .. } => {
                // `redis-lua` and `redis-lock` keep the same data in Redis.
                let database = open(database, !may_write).await?;
                let engine = RedisLuaEngine::new(RedisConnection::connect(redis).await?);
                let outbox = Arc::new(engine.outbox());
                Ok(Self::of(database, Arc::new(engine), Some(outbox)))
            }
            InspectionSettings::Postgres { locking, database } => {
                let database = open(database, true).await?;
                let engine = Arc::new(PostgresEngine::new(database.clone(), *locking));
                Ok(Self::of(database, engine, None))
            }
        }
    }

    fn of(database: Database, engine: Arc<dyn AdmissionEngine>, outbox: Option<Arc<dyn Outbox>>) -> Self {
        let deps = ReconcileDeps {
            engine,
            catalog: Arc::new(PostgresCatalog::new(database.clone())),
            store: Arc::new(PostgresStore::new(database.clone())),
            quarantine: Arc::new(PostgresStore::new(database.clone())),
            // Only engines with an outbox can lose numbers.
            lost: outbox.is_some().then(|| Arc::new(PostgresLostNumbers::new(database.clone())) as _),
            outbox,
        };
        Self { deps, opened: Opened::Postgres(Box::new(database)) }
    }

    pub async fn close(&self) {
        match &self.opened {
            Opened::Sqlite(database) => database.close().await,
            Opened::Postgres(database) => database.close().await,
        }
    }
}

async fn open(url: &SecretString, read_only: bool) -> Result<Database, StartError> {
    let settings =
        DatabaseSettings { max_connections: CONNECTIONS, read_only, ..DatabaseSettings::new(url.clone()) };
    let database = Database::connect(&settings).await?;
    postgres::check_rights_to_read(&database).await?;
    postgres::check(&database).await?;
    Ok(database)
}

/// The result of counting the dead letters of a broker.
#[derive(Debug)]
pub enum DeadLetterCount {
    Counted(u64),
    /// The broker has no queue of dead letters.
    NoQueue,
    /// The broker does not answer, for this reason.
    Unreachable(String),
}

/// Counts the dead letters of the broker at `url`. Fails only if the broker refuses, for instance the login.
pub async fn count_dead_letters(url: SecretString, namespace: &str) -> Result<DeadLetterCount, StartError> {
    let namespace = Namespace::parse(namespace)?;
    match rabbitmq::dead_letters(&RabbitSettings { namespace, ..RabbitSettings::new(url) }).await {
        Ok(Some(count)) => Ok(DeadLetterCount::Counted(count)),
        Ok(None) => Ok(DeadLetterCount::NoQueue),
        Err(error) if error.is_absence() => {
            Ok(DeadLetterCount::Unreachable(StartError::from(error).to_string()))
        }
        Err(error) => Err(error.into()),
    }
}
