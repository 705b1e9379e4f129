//! Errors of the broker, one sentence each, without the password.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::AMQPUri;

/// Reason for which the broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("the broker URL is not of the form amqp://user:password@host:5672/vhost ({0})")]
    InvalidUrl(String),
    #[error(
        "{0:?} is not a valid namespace: use 1 to 100 characters of A-Z, a-z, 0-9, '_', '-' and '.', not beginning with amq."
    )]
    InvalidNamespace(String),
    #[error("no RabbitMQ answers at {address}: {reason}")]
    Unreachable {
        address: String,
        /// Message of the operating system or the client.
        reason: String,
    },
    #[error("RabbitMQ at {address} refuses the user {user:?}: wrong password, or not allowed to connect")]
    Refused { address: String, user: String },
    #[error(
        "RabbitMQ at {address} has no virtual host {vhost:?} for the user {user:?} (\"/\" is written %2f in the URL)"
    )]
    NoSuchVhost { address: String, vhost: String, user: String },
    /// An exchange or queue of this name exists with other arguments.
    #[error(
        "{name} exists on the broker and differs from what openrun declares ({detail}): delete it once it is empty, \
         and openrun declares it again; or set OPENRUN_AMQP_NAMESPACE to another name"
    )]
    Differs {
        /// "the exchange" or "the queue", and its name.
        name: String,
        /// The difference, or else the broker's message.
        detail: String,
    },
    #[error("the broker did not answer within {after_ms} ms ({what})")]
    TimedOut {
        /// The operation.
        what: &'static str,
        after_ms: u64,
    },
    /// No attempt is made during the backoff after a failure.
    #[error("the broker is not contacted again for {wait_ms} ms; last error: {last}")]
    BackingOff { wait_ms: u64, last: String },
    #[error("the connection to the broker ended: {0}")]
    Lost(#[source] lapin::Error),
    /// The broker ended the consumer, for instance because the queue was deleted.
    #[error("the broker cancelled the consumer of {0}")]
    Cancelled(String),
    /// [`close`](crate::ports::EventBus::close) was called.
    #[error("the bus is closed")]
    Closed,
}

impl BrokerError {
    /// Whether the broker may only be unreachable now, with settings that are right.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BackingOff { .. } | Self::Lost(_)
        )
    }
}

impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        Self::Lost(error)
    }
}

pub(super) fn address(uri: &AMQPUri) -> String {
    format!("{}:{}", uri.authority.host, uri.authority.port)
}

/// The error of a failed connection attempt.
pub(super) fn connecting(error: &lapin::Error, uri: &AMQPUri) -> BrokerError {
    let (address, user) = (address(uri), uri.authority.userinfo.username.clone());
    let kind = match error.kind() {
        ErrorKind::ProtocolError(protocol) => Some(protocol.kind()),
        _ => None,
    };
    match kind {
        Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => BrokerError::Refused { address, user },
        Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) => {
            BrokerError::NoSuchVhost { address, vhost: uri.vhost.clone(), user }
        }
        _ => BrokerError::Unreachable { address, reason: error.to_string() },
    }
}

/// The error of a failed declaration of `name`.
pub(super) fn declaring(error: lapin::Error, name: &str) -> BrokerError {
    if let ErrorKind::ProtocolError(protocol) = error.kind() {
        let differs = [AMQPSoftError::PRECONDITIONFAILED, AMQPSoftError::RESOURCELOCKED];
        if let AMQPErrorKind::Soft(kind) = protocol.kind()
            && differs.contains(kind)
        {
            return BrokerError::Differs {
                name: name.to_owned(),
                detail: difference(protocol.get_message().as_str()),
            };
        }
    }
    BrokerError::Lost(error)
}

/// Translates the broker's message, if it has the form "inequivalent arg 'A' for queue 'q' in vhost '/': received 'x'
/// but current is 'y'".
fn difference(message: &str) -> String {
    let quoted = |text: &str| {
        let text = text.trim().trim_start_matches("the value ");
        let text = text.split(" of type").next().unwrap_or(text);
        text.trim_matches('\'').to_owned()
    };
    let translated = || {
        let (_, rest) = message.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once(": received ")?;
        let (wanted, found) = rest.split_once(" but current is ")?;
        Some(format!("its {argument} is {}, and should be {}", quoted(found), quoted(wanted)))
    };
    translated().unwrap_or_else(|| message.to_owned())
}

/// Whether the declaration failed because another connection owns the exclusive queue.
pub(super) fn is_locked_by_other(error: &BrokerError) -> bool {
    let BrokerError::Lost(error) = error else { return false };
    let ErrorKind::ProtocolError(protocol) = error.kind() else { return false };
    matches!(protocol.kind(), AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED))
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_is_translated() {
        let message = "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received '50' but current is '20'";
        assert_eq!(difference(message), "its x-delivery-limit is 20, and should be 50");
        let message = "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received the value 'd' of type 'longstr' but current is none";
        assert_eq!(difference(message), "its x-dead-letter-exchange is none, and should be d");
        assert_eq!(difference("something else"), "something else");
    }
}
