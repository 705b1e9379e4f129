//! Whether the database has the tables that this program was built for.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::migrate::Migrator;

use super::database::Database;
use super::errors::DatabaseError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Why the schema is not the one this program was built for.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// There are no tables yet.
    #[error("the database has no openrun tables yet: run `openrun migrate`")]
    Missing,
    /// Some migrations have not been applied.
    #[error("the database is at migration {found}, this program needs {needed}: run `openrun migrate`")]
    Older {
        /// The newest applied.
        found: i64,
        /// The newest known.
        needed: i64,
    },
    /// A newer program has migrated it.
    #[error(
        "the database is at migration {found}, this program knows only {known}: use a newer openrun \
         (`openrun migrate` cannot go back)"
    )]
    Newer {
        /// The newest applied.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// A migration stopped in the middle.
    #[error("migration {0} was left half done: restore the database, then run `openrun migrate`")]
    Dirty(i64),
    /// A migration was changed after it had been applied, or is none of this program's.
    #[error(
        "migration {0} of the database is not the one this program has: `openrun migrate` cannot repair that"
    )]
    Tampered(i64),
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A migration failed; nothing of it remains.
    #[error("`openrun migrate` failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Brings the schema up to date. Processes that do so at once wait for one another, and all but the first find nothing
/// to do.
///
/// # Errors
/// [`SchemaError`]; every migration is one transaction, so that a failed one leaves nothing behind.
pub async fn migrate(database: &Database) -> Result<(), SchemaError> {
    match check(database).await {
        Ok(()) => return Ok(()),
        Err(SchemaError::Missing | SchemaError::Older { .. }) => {}
        Err(other) => return Err(other),
    }
    // A connection of its own also gives back the lock of migrations when one fails.
    let mut connection = database.unbounded().await?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| SchemaError::Failed(error.into()))?;
    connection.close().await.map_err(|error| DatabaseError::Failed(error).into())
}

/// Makes sure, without changing anything, that the schema is exactly the one this program was built for.
///
/// # Errors
/// [`SchemaError`] says how it differs and what to do.
pub async fn check(database: &Database) -> Result<(), SchemaError> {
    judge(&applied(database).await?)
}

#[derive(Debug, Clone, sqlx::FromRow)]
struct Applied {
    version: i64,
    success: bool,
    checksum: Vec<u8>,
}

async fn applied(database: &Database) -> Result<Vec<Applied>, SchemaError> {
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
        // The table of migrations is made by the first one.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok(Vec::new()),
        Err(error) => Err(DatabaseError::Failed(error).into()),
    }
}

fn judge(applied: &[Applied]) -> Result<(), SchemaError> {
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
    use super::{Applied, MIGRATIONS, SchemaError, judge};

    fn all() -> Vec<Applied> {
        MIGRATIONS
            .iter()
            .map(|m| Applied { version: m.version, success: true, checksum: m.checksum.to_vec() })
            .collect()
    }

    #[test]
    fn exactly_the_known_migrations_are_right() {
        assert!(judge(&all()).is_ok());
        assert!(matches!(judge(&[]), Err(SchemaError::Missing)));
    }

    #[test]
    fn a_half_done_migration_is_named() {
        let mut applied = all();
        applied[0].success = false;
        assert!(matches!(judge(&applied), Err(SchemaError::Dirty(1))));
    }

    #[test]
    fn only_what_migrate_repairs_sends_the_reader_to_it_first() {
        assert!(SchemaError::Missing.to_string().ends_with("run `openrun migrate`"));
        assert!(SchemaError::Older { found: 1, needed: 2 }.to_string().ends_with("run `openrun migrate`"));
    }
}
