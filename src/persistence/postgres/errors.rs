//! Why a database cannot be used, in one sentence each. None of them shows the password.

use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

use crate::ports::BoxError;

/// Why there is no connection to the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The setting is no address of a PostgreSQL.
    #[error("the database URL is not of the form postgres://user:password@host:5432/name ({0})")]
    InvalidUrl(String),
    /// Nobody answers at that address.
    #[error("no PostgreSQL answers at {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system or the wait said.
        reason: String,
    },
    /// The server does not let this user in.
    #[error("PostgreSQL at {address} refuses the user {user:?}: wrong password, or not allowed to connect")]
    Refused {
        /// Host and port.
        address: String,
        /// Who tried.
        user: String,
    },
    /// The server has no database of this name.
    #[error("PostgreSQL at {address} has no database {name:?}: create it, then run `openrun migrate`")]
    NoSuchDatabase {
        /// Host and port.
        address: String,
        /// What was asked for.
        name: String,
    },
    /// What it calls committed could be lost, so nothing could be promised on it.
    #[error("PostgreSQL does not keep what it commits: {setting} is {value:?}, but must not be off")]
    NotDurable {
        /// The setting that is off.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// Anything else.
    #[error("the database failed: {0}")]
    Failed(#[source] sqlx::Error),
}

/// The sentence for an error met while connecting.
pub(super) fn connecting(error: sqlx::Error, options: &PgConnectOptions) -> DatabaseError {
    let address = format!("{}:{}", options.get_host(), options.get_port());
    let unreachable = |reason: String| DatabaseError::Unreachable { address: address.clone(), reason };
    match error {
        sqlx::Error::Io(error) => unreachable(error.to_string()),
        sqlx::Error::Tls(error) => unreachable(format!("TLS: {error}")),
        sqlx::Error::PoolTimedOut => unreachable("no connection in time".to_owned()),
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

/// Why the database did not do what it was asked, for whoever waits for it.
pub(super) fn cause(error: sqlx::Error) -> BoxError {
    match error {
        // A server that refuses connections is the usual reason.
        sqlx::Error::PoolTimedOut => "no connection to PostgreSQL could be had in time".into(),
        error => error.into(),
    }
}

/// The rule that no sequence is above its coupon's total; see `migrations/postgres`.
const WITHIN_TOTAL: &str = "coupon_issuances_within_total";

/// What an error says of the statement that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The statement can never succeed with these values.
    Values,
    /// The total of a coupon is too low for them, which may change.
    Total,
    /// The database cannot do it now.
    Database,
}

/// Whether the values are at fault. Only classes 22 (data) and 23 (constraints) of SQLSTATE speak of values; whatever
/// else may come is not the values' fault, and trying again is the mistake that loses nothing.
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

/// What PostgreSQL said of refused values, for logs and operators.
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
