//! The database file in a data directory: one writing connection and a few reading ones.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use tokio::sync::Mutex;

use super::clock::Clock;
use super::open::{self, OpenError};
use super::reading;

/// Reading connections; each has a thread of its own.
const READERS: u32 = 4;
/// Bound on a query's wait for a reading connection.
const READER_WAIT_MS: u64 = 5_000;

/// openrun's database in a data directory, locked against other processes. Cheap to clone.
#[derive(Clone)]
pub struct SqliteDatabase {
    inner: Arc<Inner>,
}

struct Inner {
    /// SQLite allows one writer, and this mutex is a fair queue for it.
    writer: Mutex<Writer>,
    writing: SqliteConnectOptions,
    /// In WAL mode readers and the writer never wait for each other.
    readers: SqlitePool,
    clock: Clock,
    /// Keeps other processes out as long as it is open; `None` if read-only.
    _lock: Option<File>,
}

/// The state of the writing connection.
enum Writer {
    Ready(Box<SqliteConnection>),
    /// Discarded after a failure or a panic; the next write opens a new one.
    Lost,
    /// Closed for good.
    Closed,
}

impl SqliteDatabase {
    /// Opens the database in `directory`, creates both if they are missing, and migrates the schema.
    ///
    /// # Errors
    /// [`OpenError`] with the remedy.
    pub async fn open(directory: &Path) -> Result<Self, OpenError> {
        let opened = open::open(directory).await?;
        let inner = Inner {
            writer: Mutex::new(Writer::Ready(Box::new(opened.writer))),
            writing: opened.writing,
            readers: readers(opened.reading),
            clock: Clock::default(),
            _lock: Some(opened.lock),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the database in `directory` read-only, also while another process serves it. It creates and changes
    /// nothing; a write fails as on a closed database.
    ///
    /// # Errors
    /// [`OpenError`] with the remedy.
    pub async fn open_read_only(directory: &Path) -> Result<Self, OpenError> {
        let reading = reading::open(directory).await?;
        let inner = Inner {
            writer: Mutex::new(Writer::Closed),
            writing: reading.clone(),
            readers: readers(reading),
            clock: Clock::default(),
            _lock: None,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Empties the write-ahead log into the file and closes the database. Commits are safe without this; it only leaves
    /// a tidy directory.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        let mut writer = self.inner.writer.lock().await;
        if let Writer::Ready(mut connection) = std::mem::replace(&mut *writer, Writer::Closed) {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = sqlx::query(checkpoint).execute(&mut *connection).await {
                tracing::warn!(%error, "write-ahead log not emptied: the next start reads it");
            }
            discard(connection).await;
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// Runs `work` in one transaction, after all earlier writes, and returns once it is durable.
    ///
    /// It runs in a task of its own, so that a cancelled caller neither interrupts it nor leaves the connection in the
    /// middle of a transaction. A transaction without changes costs no sync of the disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        self.with_writer(|connection| Box::pin(transaction(connection, work))).await
    }

    /// As [`SqliteDatabase::write`], but `work` begins and commits in its own statements, which saves two trips to the
    /// connection's thread. If it fails, uncommitted changes are rolled back.
    pub(super) async fn with_writer<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move { database.run_with_writer(work).await });
        task.await.unwrap_or_else(|panic| Err(sqlx::Error::Io(std::io::Error::other(panic))))
    }

    async fn run_with_writer<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
    {
        let mut writer = self.inner.writer.lock().await;
        // Taken out rather than borrowed: a panic in `work` must not leave a connection in an unknown state for later
        // use.
        let mut connection = match std::mem::replace(&mut *writer, Writer::Lost) {
            Writer::Ready(connection) => connection,
            Writer::Lost => Box::new(self.inner.writing.connect().await?),
            Writer::Closed => {
                *writer = Writer::Closed;
                return Err(sqlx::Error::PoolClosed);
            }
        };
        let outcome = work(&mut connection).await;
        match outcome {
            Ok(value) => {
                *writer = Writer::Ready(connection);
                Ok(value)
            }
            Err(error) => {
                // After some errors, such as a full disk, SQLite rolls back by itself. sqlx would still count an open
                // transaction, so a failed connection is not used again.
                discard(connection).await;
                Err(error)
            }
        }
    }
}

fn readers(reading: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(Duration::from_millis(READER_WAIT_MS))
        .connect_lazy_with(reading)
}

async fn transaction<T, F>(connection: &mut SqliteConnection, work: F) -> Result<T, sqlx::Error>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
{
    // IMMEDIATE takes the write lock before the first read, so that the data cannot change before it is written.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let value = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(value)
}

/// Closes a connection, which rolls back uncommitted changes.
async fn discard(connection: Box<SqliteConnection>) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "database connection not closed cleanly: the next write opens a new one");
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase").field("file", &self.inner.writing.get_filename()).finish()
    }
}

#[cfg(test)]
mod tests;
