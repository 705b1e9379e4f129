//! Why there is no connection to a Redis that takes writes.

use redis::{ErrorKind, RedisError};

use crate::ports::BoxError;

/// No text of these errors contains the password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the Redis URL is wrong: {0}")]
    WrongUrl(&'static str),
    #[error("Redis at {address} cannot be reached: {cause}")]
    Unreachable {
        address: String,
        #[source]
        cause: BoxError,
    },
    #[error("Redis at {address} does not accept the user or password of the URL")]
    WrongPassword { address: String },
    /// An ACL of the server forbids a command.
    #[error(
        "Redis at {address} does not permit {command} to the user of the URL: grant it with ACL SETUSER {user} {right}"
    )]
    MissingRight { address: String, user: String, command: &'static str, right: &'static str },
    #[error("Redis at {address} is a replica, which takes no writes: connect to the primary")]
    Replica { address: String },
    #[error("Redis at {address} is still loading its data")]
    Loading { address: String },
    /// A crash of the server would lose acknowledged writes; one sentence for each reason.
    #[error("a crash of Redis at {address} would lose coupons that members already have ({})", .missing.join("; "))]
    NotDurable { address: String, missing: Vec<String> },
    #[error("no sentinel of {addresses} knows the primary of {name:?}: {cause}")]
    NoPrimary { addresses: String, name: String, cause: String },
    #[error("Redis at {address} refused the connection: {cause}")]
    Refused {
        address: String,
        #[source]
        cause: BoxError,
    },
}

impl ConnectError {
    /// Classifies an error of the server at `address` while it is being connected to.
    pub(super) fn of(address: String, error: RedisError) -> Self {
        let password = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
        if password {
            Self::WrongPassword { address }
        } else if error.code() == Some("LOADING") {
            Self::Loading { address }
        } else if error.is_io_error() || error.is_connection_dropped() {
            Self::Unreachable { address, cause: Box::new(error) }
        } else {
            Self::Refused { address, cause: Box::new(error) }
        }
    }

    /// Whether the next try, within a second, may succeed.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Replica { .. } | Self::Loading { .. } | Self::NoPrimary { .. }
        )
    }
}
