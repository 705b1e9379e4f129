//! The broker's address, openrun's namespace on it, and the timeouts.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use super::errors::BrokerError;

/// Upper limit of a namespace's length, so that every name with this prefix fits into AMQP's 255 bytes.
const NAMESPACE_MAX: usize = 100;

/// The prefix of every exchange and queue, so that several deployments can share a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(Box<str>);

impl Namespace {
    /// Accepts 1 to 100 characters of A-Z, a-z, 0-9, `_`, `-` and `.`.
    ///
    /// # Errors
    /// [`BrokerError::InvalidNamespace`], also for a prefix `amq.`, which the broker reserves.
    pub fn parse(text: &str) -> Result<Self, BrokerError> {
        let fits = (1..=NAMESPACE_MAX).contains(&text.len()) && !text.starts_with("amq.");
        let safe = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if fits && safe { Ok(Self(text.into())) } else { Err(BrokerError::InvalidNamespace(text.to_owned())) }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("openrun".into())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Settings of a connection.
#[derive(Debug, Clone)]
pub struct RabbitSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps:`; the virtual host `/` is written `%2f`.
    pub url: SecretString,
    /// The prefix of every exchange and queue.
    pub namespace: Namespace,
    /// Bound of connecting, including the declaration of the topology.
    pub connect_timeout_ms: u64,
    /// Bound of confirming a publish batch, and of every other answer of the broker.
    pub reply_timeout_ms: u64,
    /// Heartbeat interval. A connection counts as lost after two intervals without traffic.
    pub heartbeat_s: u16,
}

impl RabbitSettings {
    /// Default timeouts and namespace for the broker at `url`.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            namespace: Namespace::default(),
            connect_timeout_ms: 5_000,
            reply_timeout_ms: 5_000,
            heartbeat_s: 10,
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(super) fn reply_timeout(&self) -> Duration {
        Duration::from_millis(self.reply_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::Namespace;

    #[test]
    fn a_namespace_is_safe_in_names_and_not_the_brokers_own() {
        for good in ["openrun", "shop-1.staging_x", &"x".repeat(100)] {
            assert_eq!(Namespace::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "쿠폰", "amq.x", &"x".repeat(101)] {
            assert!(Namespace::parse(bad).is_err(), "{bad}");
        }
    }
}
