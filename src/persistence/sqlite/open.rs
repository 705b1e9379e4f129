//! Opening the data directory: one process at a time, a file that is ours, a schema that we know.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::failure::is_broken_file;

/// The schema, built into the program.
static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

pub(super) const DATABASE_FILE: &str = "openrun.sqlite";
const LOCK_FILE: &str = "openrun.lock";
/// How long a statement waits for another connection's lock; only a copy or a backup can make it wait at all.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Why the data directory cannot be served. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is not there and cannot be made, or is not ours to write in.
    #[error("{} cannot be written to ({cause}): give openrun a data directory it may write to", path.display())]
    Directory {
        /// What could not be made or opened.
        path: PathBuf,
        /// The operating system's word.
        #[source]
        cause: std::io::Error,
    },
    /// Another process serves it.
    #[error("{} is in use by another openrun: stop that one, or choose another data directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Something else has this name, or the file is damaged.
    #[error("{} is not an intact openrun database: move it away or restore a backup", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A later version has changed the schema.
    #[error("{} was written by a newer openrun (schema {found}; this one knows up to {known}): use the newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The last schema this program knows.
        known: i64,
    },
    /// There is nothing to read.
    #[error("there is no openrun database in {}: check OPENRUN_DATA_DIR", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// An earlier version has made it, and reading it must not change it.
    #[error("{} was written by an older openrun: run `openrun migrate` once", path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// SQLite could not open it for another reason.
    #[error("{} cannot be opened ({cause}): check the disk and the rights of the file", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        #[source]
        cause: sqlx::Error,
    },
}

/// The open directory, before anything is served from it.
pub(super) struct OpenDirectory {
    /// Held as long as the database is served.
    pub(super) lock: File,
    /// How to make another writing connection.
    pub(super) writing: SqliteConnectOptions,
    /// How to make a connection that cannot write.
    pub(super) reading: SqliteConnectOptions,
    /// The first writing connection; the schema is up to date.
    pub(super) writer: SqliteConnection,
}

/// Makes `directory` if need be, takes hold of it, and brings its database up to date.
pub(super) async fn open(directory: &Path) -> Result<OpenDirectory, OpenError> {
    create(directory).map_err(|cause| OpenError::Directory { path: directory.into(), cause })?;
    let lock = hold(directory)?;
    let path = directory.join(DATABASE_FILE);
    let writing = writing_options(&path);
    let reading = reading_options(&path);
    let mut writer = writing.connect().await.map_err(|cause| told(&path, cause))?;
    if is_foreign(&mut writer).await.map_err(|cause| told(&path, cause))? {
        return Err(OpenError::NotOurs { path });
    }
    // Not `run`: its future cannot be sent between threads, which sqlx made `run_direct` for.
    MIGRATOR.run_direct(None, &mut writer, false).await.map_err(|cause| not_migrated(&path, cause))?;
    Ok(OpenDirectory { lock, writing, reading, writer })
}

fn create(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // The database holds the secret from which codes are derived: a directory we make is nobody else's to read.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// The operating system lets go of the lock when the process ends, however it ends.
fn hold(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK_FILE);
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = match opened {
        Ok(lock) => lock,
        Err(cause) => return Err(OpenError::Directory { path, cause }),
    };
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: directory.into() }),
        Err(TryLockError::Error(cause)) => Err(OpenError::Directory { path, cause }),
    }
}

/// What the writing connection keeps in memory, in KiB: the pages of the index of members, of which each batch touches others.
const CACHE_KIB: u32 = 32 * 1024;
/// How long the write-ahead log gets before it is written into the file, in pages of 4 KiB: a page that many batches touch
/// is then written into the file once.
const CHECKPOINT_PAGES: u32 = 16 * 1024;

fn writing_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL syncs at every commit: a member is told "issued" for what survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        // On macOS an ordinary sync stops at the drive's cache; elsewhere this does nothing.
        .pragma("fullfsync", "1")
        // A statement of many rows keeps a journal of its own while it runs; in a file it costs more than the rows.
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
}

pub(super) fn reading_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
}

/// The last schema that this program knows.
pub(super) fn newest_schema() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Whether the file is a database with tables of somebody else.
pub(super) async fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let tables = "SELECT count(*) AS every, count(*) FILTER (WHERE name = '_sqlx_migrations') AS ours
                  FROM sqlite_schema WHERE type = 'table'";
    let row = sqlx::query(tables).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>("every")? > 0 && row.try_get::<i64, _>("ours")? == 0)
}

pub(super) fn told(path: &Path, cause: sqlx::Error) -> OpenError {
    let path = path.to_path_buf();
    if is_broken_file(&cause) { OpenError::NotOurs { path } } else { OpenError::Database { path, cause } }
}

fn not_migrated(path: &Path, cause: MigrateError) -> OpenError {
    let known = newest_schema();
    match cause {
        MigrateError::VersionMissing(found) if found > known => {
            OpenError::Newer { path: path.into(), found, known }
        }
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            OpenError::NotOurs { path: path.into() }
        }
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => told(path, cause),
        other => told(path, sqlx::Error::Migrate(Box::new(other))),
    }
}
