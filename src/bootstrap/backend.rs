//! Connects the services that an engine needs and chooses the adapter of each port, in one `match`.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::engine_kind::EngineKind;
use super::settings::{Settings, SettingsError, StackUrls};
use crate::actors::reconcile::ReconcileDeps;
use crate::domain::AckLevel;
use crate::messaging::rabbitmq::{
    BrokerError, Namespace, RabbitBus, RabbitLetters, RabbitQueues, RabbitSettings, RabbitSource, Topology,
};
use crate::persistence::postgres::{
    self, Database, DatabaseError, DatabaseSettings, Locking, PostgresCatalog, PostgresCluster,
    PostgresEngine, PostgresLostNumbers, PostgresStore,
};
use crate::persistence::redis::{
    ConnectError, Durability, RedisConnection, RedisLockEngine, RedisLuaEngine, ServerReport,
};
use crate::persistence::sqlite::{
    EmbeddedEngine, OpenError, SqliteCatalog, SqliteDatabase, SqliteIssuanceStore,
};
use crate::ports::{
    AdmissionEngine, Cluster, ConnectionPool, CouponCatalog, DeadLetters, EngineError, EngineRecovery,
    EventBus, EventSource, IssuanceStore, LostNumbers, Outbox, Quarantine,
};
use crate::telemetry::Destination;

/// Why a node cannot start: one sentence that names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Sqlite(#[from] OpenError),
    #[error("{0} (OPENRUN_REDIS_URL)")]
    Redis(#[from] ConnectError),
    /// A crash of Redis would lose acknowledged writes.
    #[error(
        "a crash of Redis would lose coupons that members already have ({0}): change these settings of Redis, answer \
         members later with OPENRUN_ACK=queued or OPENRUN_ACK=persisted, or accept the loss with \
         OPENRUN_ACCEPT_REDIS_DATA_LOSS=true"
    )]
    RedisNotDurable(String),
    #[error("{0} ({setting})", setting = faulty_setting(.0))]
    Broker(#[from] BrokerError),
    #[error("{0} (OPENRUN_DATABASE_URL)")]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Schema(#[from] postgres::SchemaError),
    #[error("{0} (OPENRUN_DATABASE_URL)")]
    Rights(#[from] postgres::RightsError),
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("{0}")]
    FirstRound(#[from] crate::actors::upkeep::FirstRoundError),
    #[error("cannot listen on {address} ({cause}): choose another OPENRUN_BIND")]
    Bind { address: std::net::SocketAddr, cause: std::io::Error },
}

fn faulty_setting(error: &BrokerError) -> &'static str {
    if matches!(error, BrokerError::InvalidNamespace(_)) {
        "OPENRUN_AMQP_NAMESPACE"
    } else {
        "OPENRUN_AMQP_URL"
    }
}

/// Connections to PostgreSQL that carry heartbeats, leases and recoveries of the cluster.
const MEETING_CONNECTIONS: u32 = 2;

/// The transport between engine and database.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) bus: Arc<dyn EventBus>,
    pub(super) source: Arc<dyn EventSource>,
    /// The queue of issuances, as traces name it.
    pub(super) issuances: Destination,
    pub(super) recovery: Arc<dyn EngineRecovery>,
    pub(super) letters: Arc<dyn DeadLetters>,
    pub(super) lost: Arc<dyn LostNumbers>,
    pub(super) queues: Arc<RabbitQueues>,
    /// Used by the health check of PostgreSQL only, through a connection of its own.
    pub(super) health_check: Arc<dyn Cluster>,
}

/// The adapters behind the ports.
#[derive(Clone)]
pub struct Backend {
    pub engine: Arc<dyn AdmissionEngine>,
    pub catalog: Arc<dyn CouponCatalog>,
    pub store: Arc<dyn IssuanceStore>,
    pub quarantine: Arc<dyn Quarantine>,
    /// Absent if the engine writes issuances into the database itself.
    pub(super) transport: Option<Transport>,
    /// Absent on the embedded engine, which serves a single node.
    pub(super) cluster: Option<Arc<dyn Cluster>>,
    connections: Connections,
}

#[derive(Clone)]
enum Connections {
    Sqlite(SqliteDatabase),
    /// In this order: the working pool, the cluster's pool, and on the full stack the health check's.
    Postgres(Vec<Database>),
}

impl Backend {
    /// Connects to the services of the engine and checks schema, rights and durability.
    pub async fn connect(settings: &Settings) -> Result<Self, StartError> {
        match settings.engine {
            EngineKind::Embedded => Self::embedded(settings).await,
            EngineKind::RedisLua | EngineKind::RedisLock => Self::stack(settings).await,
            EngineKind::Postgres(locking) => Self::postgres(settings, locking).await,
        }
    }

    async fn embedded(settings: &Settings) -> Result<Self, StartError> {
        let database = SqliteDatabase::open(&settings.data_dir).await?;
        Ok(Self {
            engine: Arc::new(EmbeddedEngine::new(database.clone())),
            catalog: Arc::new(SqliteCatalog::new(database.clone())),
            store: Arc::new(SqliteIssuanceStore::new(database.clone())),
            quarantine: Arc::new(SqliteIssuanceStore::new(database.clone())),
            transport: None,
            cluster: None,
            connections: Connections::Sqlite(database),
        })
    }

    async fn postgres(settings: &Settings, locking: Locking) -> Result<Self, StartError> {
        let missing = || SettingsError::MissingUrl(settings.engine, "OPENRUN_DATABASE_URL");
        let url = settings.database.as_ref().ok_or_else(missing)?;
        let [database, meeting] = open_pools(settings, url, DatabaseSettings::deciding(url.clone())).await?;
        Ok(Self {
            engine: Arc::new(PostgresEngine::new(database.clone(), locking)),
            catalog: Arc::new(PostgresCatalog::new(database.clone())),
            store: Arc::new(PostgresStore::new(database.clone())),
            quarantine: Arc::new(PostgresStore::new(database.clone())),
            transport: None,
            cluster: Some(Arc::new(PostgresCluster::new(meeting.clone()))),
            connections: Connections::Postgres(vec![database, meeting]),
        })
    }

    async fn stack(settings: &Settings) -> Result<Self, StartError> {
        let missing = || SettingsError::MissingUrl(settings.engine, "OPENRUN_REDIS_URL");
        let urls: &StackUrls = settings.stack.as_ref().ok_or_else(missing)?;
        let [database, meeting] =
            open_pools(settings, &urls.database, DatabaseSettings::new(urls.database.clone())).await?;
        // A pool of its own, so that health checks never compete with writes.
        let health_check = open_pool(&urls.database, 1).await?;
        let redis = RedisConnection::connect(&urls.redis).await?;
        check_durability(&redis, settings.ack, settings.accept_redis_data_loss).await?;
        let broker = RabbitSettings {
            namespace: Namespace::parse(&urls.amqp_namespace)?,
            ..RabbitSettings::new(urls.amqp.clone())
        };
        let issuances = Destination {
            system: "rabbitmq",
            name: Topology::new(broker.namespace.clone()).issuances().into(),
        };
        let bus = RabbitBus::new(broker.clone());
        bus.connect().await?;
        let lua = RedisLuaEngine::new(redis);
        let outbox = Arc::new(lua.outbox());
        let engine: Arc<dyn AdmissionEngine> = match settings.engine {
            EngineKind::RedisLock => Arc::new(RedisLockEngine::new(lua.clone())),
            _ => Arc::new(lua.clone()),
        };
        let source = Arc::new(RabbitSource::new(broker.clone()));
        let queues = Arc::new(RabbitQueues::new(broker.clone()));
        let letters = Arc::new(RabbitLetters::new(broker));
        Ok(Self {
            engine,
            catalog: Arc::new(PostgresCatalog::new(database.clone())),
            store: Arc::new(PostgresStore::new(database.clone())),
            quarantine: Arc::new(PostgresStore::new(database.clone())),
            transport: Some(Transport {
                outbox,
                bus: Arc::new(bus),
                source,
                issuances,
                letters,
                queues,
                health_check: Arc::new(PostgresCluster::new(health_check.clone())),
                lost: Arc::new(PostgresLostNumbers::new(database.clone())),
                recovery: Arc::new(lua),
            }),
            cluster: Some(Arc::new(PostgresCluster::new(meeting.clone()))),
            connections: Connections::Postgres(vec![database, meeting, health_check]),
        })
    }

    pub(super) fn reconcile_deps(&self) -> ReconcileDeps {
        ReconcileDeps {
            engine: Arc::clone(&self.engine),
            catalog: Arc::clone(&self.catalog),
            store: Arc::clone(&self.store),
            quarantine: Arc::clone(&self.quarantine),
            outbox: self.transport.as_ref().map(|transport| Arc::clone(&transport.outbox)),
            lost: self.transport.as_ref().map(|transport| Arc::clone(&transport.lost)),
        }
    }

    /// The PostgreSQL pools of which metrics are exported, by their label.
    pub(super) fn pools(&self) -> Vec<(&'static str, Arc<dyn ConnectionPool>)> {
        match &self.connections {
            Connections::Sqlite(_) => Vec::new(),
            Connections::Postgres(databases) => {
                let named = ["work", "meeting"].into_iter().zip(databases);
                named.map(|(name, pool)| (name, Arc::new(pool.clone()) as Arc<dyn ConnectionPool>)).collect()
            }
        }
    }

    pub async fn close(&self) {
        if let Some(transport) = &self.transport {
            transport.bus.close().await;
            transport.queues.close().await;
        }
        match &self.connections {
            Connections::Sqlite(database) => database.close().await,
            Connections::Postgres(databases) => {
                for database in databases {
                    database.close().await;
                }
            }
        }
    }
}

/// Opens the working pool and the cluster's pool. They are separate, so that writers that wait for a connection do not
/// delay heartbeats.
async fn open_pools(
    settings: &Settings,
    url: &SecretString,
    bounds: DatabaseSettings,
) -> Result<[Database; 2], StartError> {
    let bounds = DatabaseSettings { max_connections: settings.database_connections, ..bounds };
    let database = Database::connect(&bounds).await?;
    // Rights first: `check` reads the schema and fails without them.
    postgres::check_rights(&database).await?;
    postgres::check(&database).await?;
    Ok([database, open_pool(url, MEETING_CONNECTIONS).await?])
}

async fn open_pool(url: &SecretString, max_connections: u32) -> Result<Database, DatabaseError> {
    Database::connect(&DatabaseSettings { max_connections, ..DatabaseSettings::new(url.clone()) }).await
}

/// Refuses a Redis that would lose acknowledged writes in a crash, unless the loss is accepted. Ack levels above `granted`
/// only cause a warning: there, a member is answered after RabbitMQ or PostgreSQL has the issuance.
async fn check_durability(
    redis: &RedisConnection,
    ack: AckLevel,
    accept_loss: bool,
) -> Result<(), StartError> {
    let report = ServerReport::read(redis).await?;
    match report.durability {
        Durability::Full => {
            tracing::info!("Redis writes every change to disk before it answers: a crash loses no issuance");
            Ok(())
        }
        Durability::Lacking(missing) if ack > AckLevel::Granted => {
            let missing = missing.join("; ");
            let ack = ack.as_str();
            tracing::warn!(
                %missing, ack,
                "a crash of Redis loses recent issuances, but none that was answered: members are answered after RabbitMQ \
                 or PostgreSQL has theirs"
            );
            Ok(())
        }
        Durability::Lacking(missing) if !accept_loss => Err(StartError::RedisNotDurable(missing.join("; "))),
        Durability::Lacking(missing) => {
            let missing = missing.join("; ");
            tracing::warn!(%missing, "a crash of Redis loses coupons that members already have; serving, as accepted");
            Ok(())
        }
        Durability::Unknown(why) => {
            tracing::warn!(error = %why, "the persistence settings of Redis cannot be read; serving without this check");
            Ok(())
        }
    }
}

/// The database to migrate.
#[derive(Debug, Clone)]
pub enum Migration {
    /// The embedded engine's file in this directory.
    Embedded(PathBuf),
    /// The PostgreSQL at this URL.
    Postgres(SecretString),
}

/// Applies the migrations that the database lacks.
pub async fn migrate(migration: &Migration) -> Result<(), StartError> {
    match migration {
        Migration::Embedded(data_dir) => SqliteDatabase::open(data_dir).await?.close().await,
        Migration::Postgres(url) => {
            let database = open_pool(url, 1).await?;
            postgres::migrate(&database).await?;
            database.close().await;
        }
    }
    Ok(())
}
