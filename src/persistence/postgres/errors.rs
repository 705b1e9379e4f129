//! Errors of PostgreSQL, in one sentence each. No text contains the password.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

use crate::ports::BoxError;

/// Why there is no connection to the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database URL is not of the form postgres://user:password@host:5432/name ({0})")]
    InvalidUrl(String),
    #[error("no PostgreSQL answers at {address}: {reason}")]
    Unreachable { address: String, reason: String },
    #[error("PostgreSQL at {address} refuses the user {user:?}: wrong password, or not allowed to connect")]
    Refused { address: String, user: String },
    #[error("PostgreSQL at {address} has no database {name:?}: create it, then run `openrun migrate`")]
    NoSuchDatabase { address: String, name: String },
    /// A crash of the server could lose commits, on which every promise rests.
    #[error("PostgreSQL may lose commits in a crash: {setting} is {value:?}, but must not be off")]
    NotDurable { setting: &'static str, value: String },
    #[error("the database failed: {0}")]
    Failed(#[source] sqlx::Error),
}

/// Converts an error of connecting.
pub(super) fn connecting(error: sqlx::Error, options: &PgConnectOptions) -> DatabaseError {
    let address = format!("{}:{}", options.get_host(), options.get_port());
    let unreachable = |reason: String| DatabaseError::Unreachable { address: address.clone(), reason };
    match error {
        sqlx::Error::Io(error) => unreachable(error.to_string()),
        sqlx::Error::Tls(error) => unreachable(format!("TLS: {error}")),
        sqlx::Error::PoolTimedOut => unreachable("timed out".to_owned()),
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            let name = options.get_database().unwrap_or(options.get_username()).to_owned();
            match code.as_str() {
                "3D000" => DatabaseError::NoSuchDatabase { address, name },
                code if code.starts_with("28") => {
                    DatabaseError::Refused { address, user: options.get_username().to_owned() }
                }
                _ => DatabaseError::Failed(sqlx::Error::Database(error)),
            }
        }
        other => DatabaseError::Failed(other),
    }
}

/// The source of a port's error.
pub(super) fn cause(error: sqlx::Error) -> BoxError {
    match error {
        // The usual reason is a server that refuses connections.
        sqlx::Error::PoolTimedOut => "timed out waiting for a connection to PostgreSQL".into(),
        error => error.into(),
    }
}

/// The constraint that no sequence is above its coupon's total; see `migrations/postgres`.
const WITHIN_TOTAL: &str = "coupon_issuances_within_total";

/// The cause of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The values are refused for good.
    Values,
    /// A sequence is above the coupon's total, which an operator may raise.
    Total,
    /// The database is at fault; a repetition may succeed.
    Database,
}

/// Classifies an error. Only classes 22 (data) and 23 (constraints) of SQLSTATE blame the values. All others blame the
/// database: if that is wrong, the statement is repeated in vain, but no data is lost.
pub(super) fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) if error.constraint() == Some(WITHIN_TOTAL) => Fault::Total,
        sqlx::Error::Database(error) => match error.code() {
            Some(code) if code.starts_with("22") || code.starts_with("23") => Fault::Values,
            _ => Fault::Database,
        },
        sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => Fault::Values,
        _ => Fault::Database,
    }
}

/// PostgreSQL's message about refused values, for logs and operators.
pub(super) fn refusal(error: &sqlx::Error) -> String {
    let Some(database) = error.as_database_error() else {
        return error.to_string();
    };
    let detail = database.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail);
    match (detail, database.constraint()) {
        (Some(detail), _) => format!("{} ({detail})", database.message()),
        (None, Some(constraint)) => format!("{} [{constraint}]", database.message()),
        (None, None) => database.message().to_owned(),
    }
}
