//! The database file in a data directory: one connection that writes, a few that read.

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

/// Connections that read at the same time; each has a thread of its own.
const READERS: u32 = 4;
/// How long a question waits for one of them.
const READER_WAIT_MS: u64 = 5_000;

/// openrun's database in a data directory, which no other process can serve meanwhile. Cheap to clone.
#[derive(Clone)]
pub struct SqliteDatabase {
    inner: Arc<Inner>,
}

struct Inner {
    /// Whoever holds it is the only one to write: SQLite allows one writer, and a queue of our own is fair.
    writer: Mutex<Writer>,
    /// How to make another writing connection when one is lost.
    writing: SqliteConnectOptions,
    /// For questions; they neither wait for the writer nor make it wait.
    readers: SqlitePool,
    /// The one clock of everything that is decided here.
    clock: Clock,
    /// Keeps other processes out as long as it is open; whoever only reads does not.
    _lock: Option<File>,
}

/// What there is of the writing connection.
enum Writer {
    Ready(Box<SqliteConnection>),
    /// Thrown away after a failure, or taken away by a panic: the next one to write makes a new one.
    Lost,
    /// Closed for good.
    Closed,
}

impl SqliteDatabase {
    /// Opens the database in `directory`, making both if need be, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`] says in one sentence what is wrong and what to do.
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

    /// Opens the database in `directory` to read it only, also while another process serves it. It makes nothing and
    /// changes nothing; writing fails as on a closed database.
    ///
    /// # Errors
    /// [`OpenError`] says in one sentence what is wrong and what to do.
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

    /// Writes everything into the one file and closes it; later calls find it closed. What was committed is safe
    /// without this too: it only leaves a tidy directory.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        let mut writer = self.inner.writer.lock().await;
        if let Writer::Ready(mut connection) = std::mem::replace(&mut *writer, Writer::Closed) {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            if let Err(error) = sqlx::query(checkpoint).execute(&mut *connection).await {
                tracing::warn!(%error, "the write-ahead log was not emptied; the next start reads it");
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

    /// Does `work` in one transaction, after everything that was begun before it, and returns once it is durable.
    ///
    /// It runs in a task of its own, so that a caller who goes away neither stops it half-way nor leaves the
    /// connection in the middle of a transaction. A transaction that wrote nothing costs no sync of the disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        self.in_turn(|connection| Box::pin(transaction(connection, work))).await
    }

    /// As [`SqliteDatabase::write`], but `work` begins and commits by itself, in statements that it has to make anyway: each
    /// is a trip to the connection's thread. If it fails, what it had not committed is rolled back.
    pub(super) async fn in_turn<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move { database.write_in_turn(work).await });
        task.await.unwrap_or_else(|died| Err(sqlx::Error::Io(std::io::Error::other(died))))
    }

    async fn write_in_turn<T, F>(&self, work: F) -> Result<T, sqlx::Error>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
    {
        let mut writer = self.inner.writer.lock().await;
        // Taken out rather than borrowed: after a panic in `work` nobody finds a connection in an unknown state.
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
                // On a full disk, say, SQLite rolls back by itself. sqlx does not notice and would count one open
                // transaction for ever, so a connection that failed is not used again.
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
    // IMMEDIATE takes the write lock before the first read, so that what is read is still true when it is written.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let value = work(&mut transaction).await?;
    transaction.commit().await?;
    Ok(value)
}

/// Closes a connection, which rolls back what it had not committed.
async fn discard(connection: Box<SqliteConnection>) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection to the database was not closed in an orderly way");
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase").field("file", &self.inner.writing.get_filename()).finish()
    }
}

#[cfg(test)]
mod tests;
