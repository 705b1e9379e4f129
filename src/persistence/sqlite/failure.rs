//! What an error of SQLite means to each port: asked in vain, refused by a rule, or nonsense in the file.

use crate::ports::{CatalogError, EngineError, StoreError};

/// The kinds of failure that the ports tell apart.
enum Kind {
    /// One of the schema's own rules forbids it.
    Rule,
    /// The file holds what openrun never writes.
    Nonsense,
    /// Anything else, such as a full disk: whether it was done is unknown.
    Unknown,
}

// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_NOTADB: i32 = 26;

/// Whether SQLite says that the file is no database, or a broken one.
pub(super) fn is_broken_file(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    // The lowest eight bits are the primary code, whatever details are above them.
    Some(code & 0xff)
}

fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Kind::Nonsense,
        _ if is_broken_file(error) => Kind::Nonsense,
        _ if primary_code(error) == Some(SQLITE_CONSTRAINT) => Kind::Rule,
        _ => Kind::Unknown,
    }
}

/// To the engine, a rule of the schema that stops it is a defect of the engine.
pub(super) fn engine_error(error: sqlx::Error) -> EngineError {
    match kind(&error) {
        Kind::Rule | Kind::Nonsense => EngineError::Corrupt(error.to_string()),
        Kind::Unknown => EngineError::Unavailable(Box::new(error)),
    }
}

/// To the catalogue, a rule of the schema is a refusal that the operator may read.
pub(super) fn catalog_error(error: sqlx::Error) -> CatalogError {
    match kind(&error) {
        Kind::Rule => CatalogError::Refused(words(&error)),
        Kind::Nonsense | Kind::Unknown => CatalogError::Unavailable(Box::new(error)),
    }
}

/// To the store, a rule of the schema means that the batch will never be taken.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    match kind(&error) {
        Kind::Rule => StoreError::Rejected(words(&error)),
        Kind::Nonsense | Kind::Unknown => StoreError::Unavailable(Box::new(error)),
    }
}

/// What the database says, without the name of the client library around it.
fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |cause| cause.message().to_owned())
}
