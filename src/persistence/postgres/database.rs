//! The connections to PostgreSQL: a bounded pool, a bound on every wait, and statements that no caller can interrupt.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, Decode, PgConnection, Postgres, Row, Type};
use tokio::time::timeout;

use super::errors::{self, DatabaseError};
use crate::ports::{ConnectionPool, PoolUse};

/// Added to the server's own bound on a statement. A longer wait means that the server has vanished.
const SILENCE: Duration = Duration::from_secs(2);
/// Settings that must not be off, or a crash may lose commits.
const DURABLE: [&str; 2] = ["synchronous_commit", "fsync"];

/// Address and bounds of the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://user:password@host:5432/name`.
    pub url: SecretString,
    pub max_connections: u32,
    /// Bound on the wait for a connection, new or idle.
    pub acquire_timeout_ms: u64,
    /// The server cancels a statement after this time.
    pub statement_timeout_ms: u64,
    /// For an engine that decides in the database: bound on the wait for the lock on a coupon's counter. A transaction
    /// that is idle for half of it, because its node died, is ended by the server, so that the waiting steps still get
    /// the lock. `None` leaves only the bound on statements.
    pub lock_timeout_ms: Option<u64>,
    /// Makes the server refuse writes.
    pub read_only: bool,
}

/// Longer than a commit on a slow disk, shorter than a member waits.
const LOCK_TIMEOUT_MS: u64 = 2_500;

impl DatabaseSettings {
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            max_connections: 10,
            acquire_timeout_ms: 3_000,
            statement_timeout_ms: 10_000,
            lock_timeout_ms: None,
            read_only: false,
        }
    }

    /// Settings for an engine that decides in the database.
    #[must_use]
    pub fn deciding(url: SecretString) -> Self {
        Self { lock_timeout_ms: Some(LOCK_TIMEOUT_MS), ..Self::new(url) }
    }
}

/// A pool of connections. Cheap to clone.
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

/// Work on one connection.
pub(super) type ConnectionFuture<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;
/// A statement with its arguments.
pub(super) type Statement = Query<'static, Postgres, PgArguments>;

impl Database {
    /// Connects, and checks that the server's commits are durable.
    ///
    /// # Errors
    /// [`DatabaseError`] with one sentence on the cause.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, DatabaseError> {
        let unbounded = parse(settings.url.expose_secret())?;
        let statement_timeout = settings.statement_timeout_ms.to_string();
        let mut options = unbounded.clone().options([("statement_timeout", statement_timeout.as_str())]);
        if let Some(lock_timeout_ms) = settings.lock_timeout_ms {
            let lock_timeout = lock_timeout_ms.to_string();
            let idle_timeout = (lock_timeout_ms / 2).to_string();
            options = options.options([
                ("lock_timeout", lock_timeout.as_str()),
                ("idle_in_transaction_session_timeout", idle_timeout.as_str()),
                // A cached plan for an empty table would still be used when the table has millions of rows.
                ("plan_cache_mode", "force_custom_plan"),
            ]);
        }
        if settings.read_only {
            // Not set to "off" in the other case: that would override a server or user that is read-only by intent.
            options = options.options([("default_transaction_read_only", "on")]);
        }
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        // One attempt outside the pool, whose only error would be a timeout.
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

    /// Runs `work` on one connection in a task of its own, so that a cancelled caller does not interrupt it: the answer
    /// to an interrupted statement would be read by the next user of the connection.
    pub(super) async fn run<T, F>(&self, work: F) -> sqlx::Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> ConnectionFuture<'c, T> + Send + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move {
            let mut connection = database.pool.acquire().await?;
            let answer = timeout(database.answer_timeout, work(&mut connection)).await;
            answer.unwrap_or_else(|_| {
                close_socket(connection);
                Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
            })
        });
        task.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Runs `work` in one transaction. An error rolls back at once, because other steps may wait for its locks.
    pub(super) async fn in_transaction<T, F>(&self, work: F) -> sqlx::Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> ConnectionFuture<'c, T> + Send + 'static,
    {
        self.run(|connection| Box::pin(transaction(connection, work))).await
    }

    /// Gives the number of rows that `statement` changed.
    pub(super) async fn execute(&self, statement: Statement) -> sqlx::Result<u64> {
        let done =
            self.run(|connection| Box::pin(async move { statement.execute(connection).await })).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn fetch_all(&self, statement: Statement) -> sqlx::Result<Vec<PgRow>> {
        self.run(|connection| Box::pin(async move { statement.fetch_all(connection).await })).await
    }

    pub(super) async fn fetch_one(&self, statement: Statement) -> sqlx::Result<PgRow> {
        self.run(|connection| Box::pin(async move { statement.fetch_one(connection).await })).await
    }

    pub(super) async fn fetch_optional(&self, statement: Statement) -> sqlx::Result<Option<PgRow>> {
        self.run(|connection| Box::pin(async move { statement.fetch_optional(connection).await })).await
    }

    /// Gives the first column of the only row.
    pub(super) async fn fetch_value<T>(&self, statement: Statement) -> sqlx::Result<T>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        self.fetch_one(statement).await?.try_get(0)
    }

    /// Opens a connection outside the pool, whose statements have no bound.
    pub(super) async fn unbounded(&self) -> Result<PgConnection, DatabaseError> {
        self.unbounded.connect().await.map_err(|error| errors::connecting(error, &self.unbounded))
    }

    /// The number of open connections, and of idle ones among them.
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Closes every connection when its statement has ended.
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

/// Rolls back at once after an error. If the rollback fails, the server ends the transaction with the connection.
async fn transaction<T, F>(connection: &mut PgConnection, work: F) -> sqlx::Result<T>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> ConnectionFuture<'c, T> + Send,
{
    let mut transaction = connection.begin().await?;
    match work(&mut transaction).await {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            let _ignored = transaction.rollback().await;
            Err(error)
        }
    }
}

/// Removes a connection from the pool because a late answer may still arrive on it.
fn close_socket(connection: PoolConnection<Postgres>) {
    drop(connection.detach());
}

fn parse(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let invalid = |reason: &str| DatabaseError::InvalidUrl(reason.to_owned());
    let parsed = url::Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    // A URL without the slashes has no host, and sqlx would connect to localhost.
    let has_slashes =
        url.trim_start().get(parsed.scheme().len()..).is_some_and(|rest| rest.starts_with("://"));
    if !has_slashes || !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(invalid("it does not begin with postgres://"));
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| invalid("a part of it cannot be read"))?;
    Ok(options.application_name("openrun"))
}

/// Connects once and checks the settings of `DURABLE`.
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
    fn an_invalid_url_is_refused_without_its_password() {
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
