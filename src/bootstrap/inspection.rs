//! A look at the data of a service that may or may not run, without becoming a part of it.

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

/// One statement at a time is asked.
const CONNECTIONS: u32 = 2;

/// Where the data is.
#[derive(Debug, Clone)]
pub enum InspectionSettings {
    /// The embedded engine's, in this directory. Engine and database are one file, so that nothing can be missing in one
    /// of them, and nothing has to be repaired: it is always read only.
    Embedded(PathBuf),
    /// The full stack's. The broker is not asked: what it carries is in the outbox.
    Stack {
        /// Which of the engines on it.
        engine: EngineKind,
        /// `redis://...`
        redis: SecretString,
        /// `postgres://...`
        database: SecretString,
        /// Whether the database may be written to; if not, it refuses that by itself.
        may_write: bool,
    },
    /// That of an engine which decides in PostgreSQL. Engine and database are one there, too.
    Postgres {
        /// How the engine takes its turns.
        turns: Locking,
        /// `postgres://...`
        database: SecretString,
    },
}

impl InspectionSettings {
    /// The engine's name, and where its data is, without secrets.
    #[must_use]
    pub fn place(&self) -> (&'static str, String) {
        match self {
            Self::Embedded(data_dir) => (EngineKind::Embedded.name(), data_dir.display().to_string()),
            Self::Stack { engine, database, redis, .. } => {
                (engine.name(), data_location::of_stack(database, redis))
            }
            Self::Postgres { turns, database } => {
                (EngineKind::Postgres(*turns).name(), data_location::of_postgres(database))
            }
        }
    }
}

/// Connections to everything that is compared.
pub struct Inspection {
    /// What is compared with one another.
    pub parts: ReconcileDeps,
    opened: Opened,
}

enum Opened {
    Sqlite(SqliteDatabase),
    Postgres(Box<Database>),
}

impl Inspection {
    /// Connects.
    ///
    /// # Errors
    /// [`StartError`], one sentence that says what to do.
    pub async fn connect(settings: &InspectionSettings) -> Result<Self, StartError> {
        match settings {
            InspectionSettings::Embedded(data_dir) => {
                let database = SqliteDatabase::open_read_only(data_dir).await?;
                let parts = ReconcileDeps {
                    engine: Arc::new(EmbeddedEngine::new(database.clone())),
                    catalog: Arc::new(SqliteCatalog::new(database.clone())),
                    store: Arc::new(SqliteIssuanceStore::new(database.clone())),
                    quarantine: Arc::new(SqliteIssuanceStore::new(database.clone())),
                    outbox: None,
                    lost: None,
                };
                Ok(Self { parts, opened: Opened::Sqlite(database) })
            }
            InspectionSettings::Stack { redis, database, may_write, .. } => {
                // What is in Redis is the same for all engines on the full stack.
                let database = open(database, !may_write).await?;
                let engine = RedisLuaEngine::new(RedisConnection::connect(redis).await?);
                let outbox = Arc::new(engine.outbox());
                Ok(Self::of(database, Arc::new(engine), Some(outbox)))
            }
            InspectionSettings::Postgres { turns, database } => {
                let database = open(database, true).await?;
                let engine = Arc::new(PostgresEngine::new(database.clone(), *turns));
                Ok(Self::of(database, engine, None))
            }
        }
    }

    fn of(database: Database, engine: Arc<dyn AdmissionEngine>, outbox: Option<Arc<dyn Outbox>>) -> Self {
        let parts = ReconcileDeps {
            engine,
            catalog: Arc::new(PostgresCatalog::new(database.clone())),
            store: Arc::new(PostgresStore::new(database.clone())),
            quarantine: Arc::new(PostgresStore::new(database.clone())),
            // Numbers can be lost only where they travel.
            lost: outbox.is_some().then(|| Arc::new(PostgresLostNumbers::new(database.clone())) as _),
            outbox,
        };
        Self { parts, opened: Opened::Postgres(Box::new(database)) }
    }

    /// Closes every connection.
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

/// How many dead letters the broker at `url` has; `None` if it has no queue for them, and a sentence if it does not
/// answer.
///
/// # Errors
/// [`StartError`], one sentence that says what to do.
pub async fn dead_letters(
    url: SecretString,
    namespace: &str,
) -> Result<Result<Option<u64>, String>, StartError> {
    let namespace = Namespace::parse(namespace)?;
    match rabbitmq::dead_letters(&RabbitSettings { namespace, ..RabbitSettings::new(url) }).await {
        Ok(counted) => Ok(Ok(counted)),
        Err(error) if error.is_absence() => Ok(Err(StartError::from(error).to_string())),
        Err(error) => Err(error.into()),
    }
}
