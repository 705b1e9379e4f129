//! Why the broker cannot be used, in one sentence each. None of them shows the password.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::uri::AMQPUri;

/// Why there is no connection to the broker, or no longer one.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The setting is no address of a RabbitMQ.
    #[error("the broker URL is not of the form amqp://user:password@host:5672/vhost ({0})")]
    InvalidUrl(String),
    /// The namespace could not stand in names.
    #[error(
        "{0:?} is no namespace: 1 to 100 characters of A-Z, a-z, 0-9, '_', '-' and '.', not beginning with amq."
    )]
    InvalidNamespace(String),
    /// Nobody answers at that address.
    #[error("no RabbitMQ answers at {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the operating system or the client said.
        reason: String,
    },
    /// The broker does not let this user in.
    #[error("RabbitMQ at {address} refuses the user {user:?}: wrong password, or not allowed to connect")]
    Refused {
        /// Host and port.
        address: String,
        /// Who tried.
        user: String,
    },
    /// The broker has no such virtual host, or not for this user.
    #[error(
        "RabbitMQ at {address} has no virtual host {vhost:?} for the user {user:?} (\"/\" is written %2f in the URL)"
    )]
    NoSuchVhost {
        /// Host and port.
        address: String,
        /// What was asked for.
        vhost: String,
        /// Who tried.
        user: String,
    },
    /// An exchange or queue of this name exists and is not what openrun declares.
    #[error(
        "{name} exists on the broker and differs from what openrun declares ({detail}): delete it once nothing is in it, \
         and openrun makes it as it should be; or set OPENRUN_AMQP_NAMESPACE to another name"
    )]
    Differs {
        /// Which exchange or queue.
        name: String,
        /// What is different, or else what the broker said.
        detail: String,
    },
    /// No answer within the bound.
    #[error("the broker did not answer within {after_ms} ms ({what})")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after_ms: u64,
    },
    /// The last try failed so short a time ago that there was no other.
    #[error("the broker is not tried again for {wait_ms} ms; the last time: {last}")]
    BackingOff {
        /// How long until it will be.
        wait_ms: u64,
        /// What was wrong with the last try.
        last: String,
    },
    /// The connection or channel ended.
    #[error("the connection to the broker ended: {0}")]
    Lost(#[source] lapin::Error),
    /// The broker ended the consumer, for instance because its queue was deleted.
    #[error("the broker cancelled the consumer of {0}")]
    Cancelled(String),
    /// The bus was closed by us.
    #[error("the bus is closed")]
    Closed,
}

impl BrokerError {
    /// Whether the broker may be as it should be and only does not answer now.
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

/// The sentence for an error met while connecting.
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

/// The sentence for an error met while declaring `name`.
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

/// What is different, in words, if the broker's own can be read: "inequivalent arg 'A' for queue 'q' in vhost '/': received
/// 'x' but current is 'y'".
fn difference(said: &str) -> String {
    let quoted = |text: &str| {
        let text = text.trim().trim_start_matches("the value ");
        let text = text.split(" of type").next().unwrap_or(text);
        text.trim_matches('\'').to_owned()
    };
    let read = || {
        let (_, rest) = said.split_once("inequivalent arg '")?;
        let (argument, rest) = rest.split_once('\'')?;
        let (_, rest) = rest.split_once(": received ")?;
        let (wanted, found) = rest.split_once(" but current is ")?;
        Some(format!("its {argument} is {}, and should be {}", quoted(found), quoted(wanted)))
    };
    read().unwrap_or_else(|| said.to_owned())
}

/// Whether another connection has what was asked for as its own.
pub(super) fn is_taken(error: &BrokerError) -> bool {
    let BrokerError::Lost(error) = error else { return false };
    let ErrorKind::ProtocolError(protocol) = error.kind() else { return false };
    matches!(protocol.kind(), AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED))
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_is_told_in_words() {
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received '50' but current is '20'";
        assert_eq!(difference(said), "its x-delivery-limit is 20, and should be 50");
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received the value 'd' of type 'longstr' but current is none";
        assert_eq!(difference(said), "its x-dead-letter-exchange is none, and should be d");
        assert_eq!(difference("something else"), "something else");
    }
}
