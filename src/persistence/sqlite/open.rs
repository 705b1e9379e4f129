//! Opens the data directory: locks it against other processes, checks the file and migrates the schema.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Row};

use super::failure::is_broken_file;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/sqlite");

pub(super) const DATABASE_FILE: &str = "openrun.sqlite";
const LOCK_FILE: &str = "openrun.lock";
/// Bound on the wait for another connection's lock. Only a copy or a backup of the file causes such a wait.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} cannot be written to ({cause}): give openrun a data directory it may write to", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{} is in use by another openrun: stop that one, or choose another data directory", path.display())]
    InUse { path: PathBuf },
    #[error("{} is not an intact openrun database: move it away or restore a backup", path.display())]
    NotOurs { path: PathBuf },
    #[error("{} was written by a newer openrun (schema {found}; this one knows up to {known}): use the newer one", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("there is no openrun database in {}: check OPENRUN_DATA_DIR", path.display())]
    Absent { path: PathBuf },
    /// Only for a read-only opening, which must not migrate the file.
    #[error("{} was written by an older openrun: run `openrun migrate` once", path.display())]
    Older { path: PathBuf },
    #[error("{} cannot be opened ({cause}): check the disk and the rights of the file", path.display())]
    Database {
        path: PathBuf,
        #[source]
        cause: sqlx::Error,
    },
}

/// A locked directory with a migrated database.
pub(super) struct OpenDirectory {
    /// Keeps other processes out as long as it is open.
    pub(super) lock: File,
    pub(super) writing: SqliteConnectOptions,
    pub(super) reading: SqliteConnectOptions,
    pub(super) writer: SqliteConnection,
}

/// Creates `directory` if it is missing, locks it, and migrates its database.
pub(super) async fn open(directory: &Path) -> Result<OpenDirectory, OpenError> {
    create_directory(directory).map_err(|cause| OpenError::Directory { path: directory.into(), cause })?;
    let lock = lock_directory(directory)?;
    let path = directory.join(DATABASE_FILE);
    let writing = writing_options(&path);
    let reading = reading_options(&path);
    let mut writer = writing.connect().await.map_err(|cause| open_error(&path, cause))?;
    if is_foreign(&mut writer).await.map_err(|cause| open_error(&path, cause))? {
        return Err(OpenError::NotOurs { path });
    }
    // The future of `run` is not `Send`; sqlx provides `run_direct` for this case.
    MIGRATOR.run_direct(None, &mut writer, false).await.map_err(|cause| migration_error(&path, cause))?;
    Ok(OpenDirectory { lock, writing, reading, writer })
}

fn create_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // The database holds the salts from which codes are derived, so other users must not read the directory.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// The operating system releases the lock when the process ends, even after a crash.
fn lock_directory(directory: &Path) -> Result<File, OpenError> {
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

/// The page cache of the writing connection. It keeps the index of members, of which each batch touches other pages.
const CACHE_KIB: u32 = 32 * 1024;
/// Length of the write-ahead log at which it is written into the file, in pages of 4 KiB. A page that many batches
/// touch is then written once.
const CHECKPOINT_PAGES: u32 = 16 * 1024;

fn writing_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL syncs at every commit, so an issuance survives a power cut before its member is
        // answered.
        .synchronous(SqliteSynchronous::Full)
        // On macOS an ordinary sync stops at the drive's cache; elsewhere this has no effect.
        .pragma("fullfsync", "1")
        // A statement of many rows keeps its own journal, which would cost more than the rows if it were a file.
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

pub(super) fn newest_schema() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Whether the file has tables, but none of openrun.
pub(super) async fn is_foreign(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let tables = "SELECT count(*) AS every, count(*) FILTER (WHERE name = '_sqlx_migrations') AS ours
                  FROM sqlite_schema WHERE type = 'table'";
    let row = sqlx::query(tables).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>("every")? > 0 && row.try_get::<i64, _>("ours")? == 0)
}

pub(super) fn open_error(path: &Path, cause: sqlx::Error) -> OpenError {
    let path = path.to_path_buf();
    if is_broken_file(&cause) { OpenError::NotOurs { path } } else { OpenError::Database { path, cause } }
}

fn migration_error(path: &Path, cause: MigrateError) -> OpenError {
    let known = newest_schema();
    match cause {
        MigrateError::VersionMissing(found) if found > known => {
            OpenError::Newer { path: path.into(), found, known }
        }
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            OpenError::NotOurs { path: path.into() }
        }
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => open_error(path, cause),
        other => open_error(path, sqlx::Error::Migrate(Box::new(other))),
    }
}
