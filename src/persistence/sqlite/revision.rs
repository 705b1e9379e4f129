//! The number that grows whenever something that decides has changed.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqlitePool};

use super::rows;

/// To be called in the transaction that changes what decides, so that no node can miss it.
pub(super) async fn bump(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE engine_revision SET revision = revision + 1").execute(connection).await?;
    Ok(())
}

pub(super) async fn read(readers: &SqlitePool) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("SELECT revision FROM engine_revision").fetch_one(readers).await?;
    u64::try_from(row.try_get::<i64, _>("revision")?).map_err(rows::nonsense)
}
