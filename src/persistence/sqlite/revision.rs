//! The revision: a number that grows with every change of a coupon's rules.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, SqlitePool};

use super::rows;

/// Must run in the transaction of the change, so that no reader can miss it.
pub(super) async fn bump(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE engine_revision SET revision = revision + 1").execute(connection).await?;
    Ok(())
}

pub(super) async fn read(readers: &SqlitePool) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("SELECT revision FROM engine_revision").fetch_one(readers).await?;
    u64::try_from(row.try_get::<i64, _>("revision")?).map_err(rows::corrupt)
}
