//! Opens the database read-only, also while another process serves it, and changes nothing.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::open::{DATABASE_FILE, OpenError, is_foreign, newest_schema, open_error, reading_options};

/// Checks that the database in `directory` is openrun's, and gives the options of read-only connections to it.
pub(super) async fn open(directory: &Path) -> Result<SqliteConnectOptions, OpenError> {
    let path = directory.join(DATABASE_FILE);
    if !path.is_file() {
        return Err(OpenError::Absent { path: directory.into() });
    }
    let reading = reading_options(&path);
    let mut connection = reading.connect().await.map_err(|cause| open_error(&path, cause))?;
    let schema = read_schema(&mut connection).await.map_err(|cause| open_error(&path, cause));
    let closed = connection.close().await.map_err(|cause| open_error(&path, cause));
    let known = newest_schema();
    match schema? {
        None => Err(OpenError::NotOurs { path }),
        Some(found) if found > known => Err(OpenError::Newer { path, found, known }),
        Some(found) if found < known => Err(OpenError::Older { path }),
        Some(_) => closed.map(|()| reading),
    }
}

/// The file's newest migration; `None` if the file is not a database of openrun.
async fn read_schema(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let ours: i64 = sqlx::query(tables).fetch_one(&mut *connection).await?.try_get(0)?;
    if ours == 0 || is_foreign(connection).await? {
        return Ok(None);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
    sqlx::query(newest).fetch_one(connection).await?.try_get(0).map(Some)
}
