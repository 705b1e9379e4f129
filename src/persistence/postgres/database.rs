//! The connections to PostgreSQL: a bounded pool, a bound on every wait, and no statement that a caller can cut short.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres};
use tokio::time::timeout;

use super::errors::{self, DatabaseError};
use crate::ports::{ConnectionPool, PoolUse};

/// Beyond the server's own bound on a statement: what passes it means that the server is gone without a word.
const SILENCE: Duration = Duration::from_secs(2);
/// Settings that must not be off for a commit to mean what it says.
const DURABLE: [&str; 2] = ["synchronous_commit", "fsync"];

/// Where the database is and how long to wait for it.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:5432/name`.
    pub url: SecretString,
    /// The most connections this process opens.
    pub max_connections: u32,
    /// How long to wait for a connection, new or free.
    pub acquire_timeout_ms: u64,
    /// After which the server cuts a statement short.
    pub statement_timeout_ms: u64,
    /// For an engine that decides here: how long a step waits for the one before it. For half of that a node may fall silent
    /// in the middle of a step before the server undoes it, so that those who wait still get their turn. Without it only
    /// the bound on statements holds.
    pub turn_timeout_ms: Option<u64>,
    /// Whether the server refuses every statement that would write.
    pub read_only: bool,
}

/// How long a step of an engine waits for the one before it: longer than a slow disk takes to commit, and shorter than a
/// member waits.
const TURN_TIMEOUT_MS: u64 = 2_500;

impl DatabaseSettings {
    /// The usual bounds for the database at `url`.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            max_connections: 10,
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 10_000,
            turn_timeout_ms: None,
            read_only: false,
        }
    }

    /// The bounds for an engine that decides in the database at `url`.
    #[must_use]
    pub fn deciding(url: SecretString) -> Self {
        Self { turn_timeout_ms: Some(TURN_TIMEOUT_MS), ..Self::new(url) }
    }
}

/// The pool that catalogue and store share. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: PgPool,
    /// Without a bound on statements: migrations may take long.
    unbounded: PgConnectOptions,
    answer_timeout: Duration,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("pool_size", &self.pool.size()).finish_non_exhaustive()
    }
}

/// What is done on one connection.
pub(super) type TraceSpan<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

impl Database {
    /// Connects, and makes sure that the server keeps what it commits.
    ///
    /// # Errors
    /// [`DatabaseError`] says in one sentence what is wrong with the setting or the server.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, DatabaseError> {
        let unbounded = parse(settings.url.expose_secret())?;
        let statement_timeout = settings.statement_timeout_ms.to_string();
        let mut options = unbounded.clone().options([("statement_timeout", statement_timeout.as_str())]);
        if let Some(turn_timeout_ms) = settings.turn_timeout_ms {
            let turn_timeout = turn_timeout_ms.to_string();
            let silence = (turn_timeout_ms / 2).to_string();
            options = options.options([
                ("lock_timeout", turn_timeout.as_str()),
                ("idle_in_transaction_session_timeout", silence.as_str()),
                // A plan that was made when the table was empty would be kept when it has millions of rows.
                ("plan_cache_mode", "force_custom_plan"),
            ]);
        }
        if settings.read_only {
            // Otherwise the server's own word holds: it may have been made read-only.
            options = options.options([("default_transaction_read_only", "on")]);
        }
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        // Tried once by hand: the pool would only say that time ran out.
        timeout(acquire, probe(&options))
            .await
            .unwrap_or_else(|_| Err(errors::connecting(sqlx::Error::PoolTimedOut, &options)))?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(acquire)
            .connect_lazy_with(options);
        let answer_timeout = Duration::from_millis(settings.statement_timeout_ms) + SILENCE;
        Ok(Self { pool, unbounded, answer_timeout })
    }

    /// Runs `work` on one connection, to its end even if the caller stops waiting: a statement cut short in the middle
    /// would leave its answer behind for whoever has the connection next.
    pub(super) async fn run<T, F>(&self, work: F) -> sqlx::Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> TraceSpan<'c, T> + Send + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move {
            let mut connection = database.pool.acquire().await?;
            let answer = timeout(database.answer_timeout, work(&mut connection)).await;
            answer.unwrap_or_else(|_| {
                forget(connection);
                Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
            })
        });
        task.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// A connection of its own whose statements may take as long as they need.
    pub(super) async fn unbounded(&self) -> Result<PgConnection, DatabaseError> {
        self.unbounded.connect().await.map_err(|error| errors::connecting(error, &self.unbounded))
    }

    /// How many connections are open, and how many of them are free.
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Closes every connection after its statement.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl ConnectionPool for Database {
    fn usage(&self) -> PoolUse {
        let (open, idle) = self.connections();
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        PoolUse { open, idle, max: self.pool.options().get_max_connections() }
    }
}

/// Takes a connection of which nobody knows what it will say out of the pool, and closes its socket.
fn forget(connection: PoolConnection<Postgres>) {
    drop(connection.detach());
}

fn parse(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let invalid = |reason: &str| DatabaseError::InvalidUrl(reason.to_owned());
    let parsed = url::Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    // Without the slashes it would name no host, and sqlx would take this machine.
    let has_slashes =
        url.trim_start().get(parsed.scheme().len()..).is_some_and(|rest| rest.starts_with("://"));
    if !has_slashes || !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(invalid("it does not begin with postgres://"));
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| invalid("a part of it cannot be read"))?;
    Ok(options.application_name("openrun"))
}

/// Connects once and asks for the settings on which every promise rests.
async fn probe(options: &PgConnectOptions) -> Result<(), DatabaseError> {
    let connecting = |error| errors::connecting(error, options);
    let mut connection = options.connect().await.map_err(connecting)?;
    for setting in DURABLE {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .map_err(connecting)?;
        if value == "off" {
            return Err(DatabaseError::NotDurable { setting, value });
        }
    }
    connection.close().await.map_err(connecting)
}

#[cfg(test)]
mod tests {
    use super::{DatabaseError, parse};

    #[test]
    fn an_invalid_url_is_refused_without_showing_it() {
        for bad in ["", "localhost", "mysql://u:hunter2@h/d", "postgres://u:hunter2@h:port/d"]
            .into_iter()
            .chain(["postgres:u:hunter2@h/d", "postgresql:/u:hunter2@h/d", "postgres:localhost"])
        {
            let error = parse(bad).unwrap_err();
            assert!(matches!(error, DatabaseError::InvalidUrl(_)), "{bad}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_url_names_the_application_to_the_server() {
        let options = parse("postgresql://u:p@h:6000/d").unwrap();
        assert_eq!(options.get_application_name(), Some("openrun"));
        assert_eq!((options.get_host(), options.get_port()), ("h", 6000));
    }
}
