//! Opening the database only to read it: beside whoever serves it, and without changing anything.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::open::{DATABASE_FILE, OpenError, is_foreign, newest_schema, reading_options, told};

/// How to make connections that read the database in `directory`, which has been found to be one of ours.
pub(super) async fn open(directory: &Path) -> Result<SqliteConnectOptions, OpenError> {
    let path = directory.join(DATABASE_FILE);
    if !path.is_file() {
        return Err(OpenError::Absent { path: directory.into() });
    }
    let reading = reading_options(&path);
    let mut connection = reading.connect().await.map_err(|cause| told(&path, cause))?;
    let judged = schema(&mut connection).await.map_err(|cause| told(&path, cause));
    let closed = connection.close().await.map_err(|cause| told(&path, cause));
    let known = newest_schema();
    match judged? {
        None => Err(OpenError::NotOurs { path }),
        Some(found) if found > known => Err(OpenError::Newer { path, found, known }),
        Some(found) if found < known => Err(OpenError::Older { path }),
        Some(_) => closed.map(|()| reading),
    }
}

/// The schema the file has; `None` if it is none of ours.
async fn schema(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let ours: i64 = sqlx::query(tables).fetch_one(&mut *connection).await?.try_get(0)?;
    if ours == 0 || is_foreign(connection).await? {
        return Ok(None);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
    sqlx::query(newest).fetch_one(connection).await?.try_get(0).map(Some)
}
