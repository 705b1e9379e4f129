//! Converts errors of SQLite into errors of the ports.

use crate::ports::{CatalogError, EngineError, StoreError};

/// The kinds of failure that the ports distinguish.
enum Kind {
    /// A constraint or trigger of the schema refused the statement.
    Constraint,
    /// The file holds data that openrun never writes.
    Corrupt,
    /// Any other failure, such as a full disk; the outcome of the statement is unknown.
    Unknown,
}

// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_CONSTRAINT: i32 = 19;
const SQLITE_NOTADB: i32 = 26;

/// Whether the file is damaged or is not a database.
pub(super) fn is_broken_file(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    // The lowest eight bits are the primary code; the bits above hold details.
    Some(code & 0xff)
}

fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Kind::Corrupt,
        _ if is_broken_file(error) => Kind::Corrupt,
        _ if primary_code(error) == Some(SQLITE_CONSTRAINT) => Kind::Constraint,
        _ => Kind::Unknown,
    }
}

/// A constraint that stops the engine shows a defect of the engine.
pub(super) fn engine_error(error: sqlx::Error) -> EngineError {
    match kind(&error) {
        Kind::Constraint | Kind::Corrupt => EngineError::Corrupt(error.to_string()),
        Kind::Unknown => EngineError::Unavailable(Box::new(error)),
    }
}

/// A constraint refuses an operator's change.
pub(super) fn catalog_error(error: sqlx::Error) -> CatalogError {
    match kind(&error) {
        Kind::Constraint => CatalogError::Refused(message(&error)),
        Kind::Corrupt | Kind::Unknown => CatalogError::Unavailable(Box::new(error)),
    }
}

/// A constraint refuses a batch for good.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    match kind(&error) {
        Kind::Constraint => StoreError::Rejected(message(&error)),
        Kind::Corrupt | Kind::Unknown => StoreError::Unavailable(Box::new(error)),
    }
}

/// SQLite's message, without the prefix of the client library.
fn message(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |cause| cause.message().to_owned())
}
