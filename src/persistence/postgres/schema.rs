//! Compares the schema of the database with the migrations of this program, and applies them.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::migrate::Migrator;

use super::database::Database;
use super::errors::DatabaseError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A difference between the schema and the migrations of this program. The fields are migration numbers.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the database has no openrun tables yet: run `openrun migrate`")]
    Missing,
    #[error("the database is at migration {found}, this program needs {needed}: run `openrun migrate`")]
    Older { found: i64, needed: i64 },
    #[error(
        "the database is at migration {found}, this program knows only {known}: use a newer openrun \
         (`openrun migrate` cannot go back)"
    )]
    Newer { found: i64, known: i64 },
    /// A migration stopped in the middle.
    #[error("migration {0} was left half done: restore the database, then run `openrun migrate`")]
    Dirty(i64),
    /// A migration was changed after it had been applied, or belongs to another program.
    #[error(
        "migration {0} of the database is not the one this program has: `openrun migrate` cannot repair that"
    )]
    Tampered(i64),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("`openrun migrate` failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Applies missing migrations. Concurrent calls of several processes wait for each other, and the later ones find
/// nothing to do.
///
/// # Errors
/// [`SchemaError`]; every migration is one transaction, so a failed one leaves nothing behind.
pub async fn migrate(database: &Database) -> Result<(), SchemaError> {
    match check(database).await {
        Ok(()) => return Ok(()),
        Err(SchemaError::Missing | SchemaError::Older { .. }) => {}
        Err(other) => return Err(other),
    }
    // Closing a connection of its own also releases the migration lock after a failure.
    let mut connection = database.unbounded().await?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| SchemaError::Failed(error.into()))?;
    connection.close().await.map_err(|error| DatabaseError::Failed(error).into())
}

/// Checks, without changing anything, that the schema is exactly the one of this program's migrations.
///
/// # Errors
/// [`SchemaError`] with the difference and the remedy.
pub async fn check(database: &Database) -> Result<(), SchemaError> {
    compare(&applied_migrations(database).await?)
}

#[derive(Debug, Clone, sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

async fn applied_migrations(database: &Database) -> Result<Vec<Applied>, SchemaError> {
    let rows = database
        .run(|connection| {
            Box::pin(async move {
                sqlx::query_as("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")
                    .fetch_all(connection)
                    .await
            })
        })
        .await;
    match rows {
        Ok(rows) => Ok(rows),
        // Undefined table: the first migration creates it.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(Vec::new()),
        Err(error) => Err(DatabaseError::Failed(error).into()),
    }
}

fn compare(applied: &[Applied]) -> Result<(), SchemaError> {
    let known: BTreeMap<i64, &[u8]> =
        MIGRATIONS.iter().map(|migration| (migration.version, &*migration.checksum)).collect();
    let newest_known = known.keys().next_back().copied().unwrap_or(0);
    let Some(found) = applied.last().map(|newest| newest.version) else {
        return Err(SchemaError::Missing);
    };
    if let Some(dirty) = applied.iter().find(|migration| !migration.success) {
        return Err(SchemaError::Dirty(dirty.version));
    }
    if found > newest_known {
        return Err(SchemaError::Newer { found, known: newest_known });
    }
    let foreign = |migration: &&Applied| known.get(&migration.version) != Some(&&*migration.checksum);
    if let Some(foreign) = applied.iter().find(foreign) {
        return Err(SchemaError::Tampered(foreign.version));
    }
    if applied.len() < known.len() {
        return Err(SchemaError::Older { found, needed: newest_known });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Applied, MIGRATIONS, SchemaError, compare};

    fn all() -> Vec<Applied> {
        MIGRATIONS
            .iter()
            .map(|m| Applied { version: m.version, success: true, checksum: m.checksum.to_vec() })
            .collect()
    }

    #[test]
    fn only_exactly_the_known_migrations_are_accepted() {
        assert!(compare(&all()).is_ok());
        assert!(matches!(compare(&[]), Err(SchemaError::Missing)));
    }

    #[test]
    fn a_half_done_migration_is_named() {
        let mut applied = all();
        applied[0].success = false;
        assert!(matches!(compare(&applied), Err(SchemaError::Dirty(1))));
    }

    #[test]
    fn errors_that_migrate_repairs_name_it_as_the_remedy() {
        assert!(SchemaError::Missing.to_string().ends_with("run `openrun migrate`"));
        assert!(SchemaError::Older { found: 1, needed: 2 }.to_string().ends_with("run `openrun migrate`"));
    }
}
