//! Which technology stands behind each port: chosen in one `match`.

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

/// Why a node cannot start: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot work together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Sqlite(#[from] OpenError),
    /// Redis cannot be used.
    #[error("{0} (OPENRUN_REDIS_URL)")]
    Redis(#[from] ConnectError),
    /// Redis would lose what it acknowledged.
    #[error(
        "Redis would lose coupons that members were told of ({0}): set it right, tell members only of what is \
         safe elsewhere with OPENRUN_ACK=queued or OPENRUN_ACK=persisted, or say that you accept that with \
         OPENRUN_ACCEPT_REDIS_DATA_LOSS=true"
    )]
    RedisForgets(String),
    /// RabbitMQ cannot be used.
    #[error("{0} ({setting})", setting = setting_of(.0))]
    Broker(#[from] BrokerError),
    /// PostgreSQL cannot be used.
    #[error("{0} (OPENRUN_DATABASE_URL)")]
    Database(#[from] DatabaseError),
    /// The tables are not the ones this program was built for.
    #[error(transparent)]
    Schema(#[from] postgres::SchemaError),
    /// The database's user may not do what a node does.
    #[error("{0} (OPENRUN_DATABASE_URL)")]
    Rights(#[from] postgres::RightsError),
    /// The engine does not answer.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// Something did not answer in the first round.
    #[error("{0}")]
    FirstRound(#[from] crate::actors::upkeep::FirstRoundError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({cause}): choose another OPENRUN_BIND")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// The operating system's word.
        cause: std::io::Error,
    },
}

/// Which setting is to blame for it.
fn setting_of(error: &BrokerError) -> &'static str {
    if matches!(error, BrokerError::InvalidNamespace(_)) {
        "OPENRUN_AMQP_NAMESPACE"
    } else {
        "OPENRUN_AMQP_URL"
    }
}

/// Connections to PostgreSQL by which nodes meet.
const MEETING_CONNECTIONS: u32 = 2;

/// The transport between engine and database.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) bus: Arc<dyn EventBus>,
    pub(super) source: Arc<dyn EventSource>,
    /// The queue of the source, in traces.
    pub(super) issuances: Destination,
    pub(super) recovery: Arc<dyn EngineRecovery>,
    pub(super) letters: Arc<dyn DeadLetters>,
    pub(super) lost: Arc<dyn LostNumbers>,
    pub(super) queues: Arc<RabbitQueues>,
    /// Asked whether PostgreSQL answers.
    pub(super) watched: Arc<dyn Cluster>,
}

/// What stands behind the ports.
#[derive(Clone)]
pub struct Backend {
    /// Who decides.
    pub engine: Arc<dyn AdmissionEngine>,
    /// Where coupons are kept.
    pub catalog: Arc<dyn CouponCatalog>,
    /// Where issuances end up.
    pub store: Arc<dyn IssuanceStore>,
    /// What contradicts what ended up there.
    pub quarantine: Arc<dyn Quarantine>,
    /// Absent where the engine's own step writes into the database.
    pub(super) transport: Option<Transport>,
    /// Where nodes meet; absent on an engine that has one node only.
    pub(super) cluster: Option<Arc<dyn Cluster>>,
    connections: Connections,
}

#[derive(Clone)]
enum Connections {
    Sqlite(SqliteDatabase),
    /// To work with, to meet, and on the full stack one to look whether the server answers.
    Postgres(Vec<Database>),
}

impl Backend {
    /// Connects to everything the engine needs, and looks whether it can keep the promise.
    ///
    /// # Errors
    /// [`StartError`], one sentence that says what to do.
    pub async fn connect(settings: &Settings) -> Result<Self, StartError> {
        match settings.engine {
            EngineKind::Embedded => Self::embedded(settings).await,
            EngineKind::RedisLua | EngineKind::RedisLock => Self::stack(settings).await,
            EngineKind::Postgres(turns) => Self::postgres(settings, turns).await,
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

    /// PostgreSQL alone.
    async fn postgres(settings: &Settings, turns: Locking) -> Result<Self, StartError> {
        let missing = || SettingsError::MissingUrl(settings.engine, "OPENRUN_DATABASE_URL");
        let url = settings.database.as_ref().ok_or_else(missing)?;
        let [database, meeting] = databases(settings, url, DatabaseSettings::deciding(url.clone())).await?;
        Ok(Self {
            engine: Arc::new(PostgresEngine::new(database.clone(), turns)),
            catalog: Arc::new(PostgresCatalog::new(database.clone())),
            store: Arc::new(PostgresStore::new(database.clone())),
            quarantine: Arc::new(PostgresStore::new(database.clone())),
            transport: None,
            cluster: Some(Arc::new(PostgresCluster::new(meeting.clone()))),
            connections: Connections::Postgres(vec![database, meeting]),
        })
    }

    /// Redis, RabbitMQ and PostgreSQL.
    async fn stack(settings: &Settings) -> Result<Self, StartError> {
        let missing = || SettingsError::MissingUrl(settings.engine, "OPENRUN_REDIS_URL");
        let urls: &StackUrls = settings.stack.as_ref().ok_or_else(missing)?;
        let [database, meeting] =
            databases(settings, &urls.database, DatabaseSettings::new(urls.database.clone())).await?;
        // Who waits for it waits at no connection that somebody needs.
        let watching = self::database(&urls.database, 1).await?;
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
                watched: Arc::new(PostgresCluster::new(watching.clone())),
                lost: Arc::new(PostgresLostNumbers::new(database.clone())),
                recovery: Arc::new(lua),
            }),
            cluster: Some(Arc::new(PostgresCluster::new(meeting.clone()))),
            connections: Connections::Postgres(vec![database, meeting, watching]),
        })
    }

    /// What the reconciler compares.
    pub(super) fn reconcile_parts(&self) -> ReconcileDeps {
        ReconcileDeps {
            engine: Arc::clone(&self.engine),
            catalog: Arc::clone(&self.catalog),
            store: Arc::clone(&self.store),
            quarantine: Arc::clone(&self.quarantine),
            outbox: self.transport.as_ref().map(|transport| Arc::clone(&transport.outbox)),
            lost: self.transport.as_ref().map(|transport| Arc::clone(&transport.lost)),
        }
    }

    /// The pools of connections to PostgreSQL, by name.
    pub(super) fn pools(&self) -> Vec<(&'static str, Arc<dyn ConnectionPool>)> {
        match &self.connections {
            Connections::Sqlite(_) => Vec::new(),
            Connections::Postgres(databases) => {
                let named = ["work", "meeting"].into_iter().zip(databases);
                named.map(|(name, pool)| (name, Arc::new(pool.clone()) as Arc<dyn ConnectionPool>)).collect()
            }
        }
    }

    /// Closes everything in an orderly way.
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

/// Connections to work with, and a few by which nodes meet: whoever waits for a connection to write must not keep this node
/// from saying that it lives.
async fn databases(
    settings: &Settings,
    url: &SecretString,
    bounds: DatabaseSettings,
) -> Result<[Database; 2], StartError> {
    let bounds = DatabaseSettings { max_connections: settings.database_connections, ..bounds };
    let database = Database::connect(&bounds).await?;
    // The schema is read, too.
    postgres::check_rights(&database).await?;
    postgres::check(&database).await?;
    Ok([database, self::database(url, MEETING_CONNECTIONS).await?])
}

async fn database(url: &SecretString, max_connections: u32) -> Result<Database, DatabaseError> {
    Database::connect(&DatabaseSettings { max_connections, ..DatabaseSettings::new(url.clone()) }).await
}

/// Looks whether Redis keeps what it acknowledges, and says what may be promised on it. A level above `granted` needs no
/// more of it: what Redis loses then, nobody has been told of before RabbitMQ or PostgreSQL had it.
async fn check_durability(
    redis: &RedisConnection,
    ack: AckLevel,
    accept_loss: bool,
) -> Result<(), StartError> {
    let report = ServerReport::read(redis).await?;
    match report.durability {
        Durability::Full => {
            tracing::info!(
                "Redis keeps every write that it acknowledges: what is granted survives its crash"
            );
            Ok(())
        }
        Durability::Lacking(missing) if ack > AckLevel::Granted => {
            let missing = missing.join("; ");
            let ack = ack.as_str();
            tracing::warn!(%missing, ack, "Redis may forget, which members are not told of at this ack level");
            Ok(())
        }
        Durability::Lacking(missing) if !accept_loss => Err(StartError::RedisForgets(missing.join("; "))),
        Durability::Lacking(missing) => {
            tracing::warn!(missing = %missing.join("; "), "Redis may lose coupons that members were told of");
            Ok(())
        }
        Durability::Unknown(why) => {
            tracing::warn!(error = %why, "it cannot be seen whether Redis keeps what it acknowledges");
            Ok(())
        }
    }
}

/// Which database is to be brought up to date.
#[derive(Debug, Clone)]
pub enum Migration {
    /// The embedded engine's, in this directory.
    Embedded(PathBuf),
    /// The PostgreSQL at this URL.
    Postgres(SecretString),
}

/// Brings the schema of a database up to date.
///
/// # Errors
/// [`StartError`], one sentence that says what to do.
pub async fn migrate(migration: &Migration) -> Result<(), StartError> {
    match migration {
        Migration::Embedded(data_dir) => SqliteDatabase::open(data_dir).await?.close().await,
        Migration::Postgres(url) => {
            let database = database(url, 1).await?;
            postgres::migrate(&database).await?;
            database.close().await;
        }
    }
    Ok(())
}
