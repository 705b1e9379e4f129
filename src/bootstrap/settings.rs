//! The settings of a node. Combinations that cannot work are refused before anything is connected or started.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::data_location;
use super::engine_kind::EngineKind;
use crate::domain::AckLevel;
use crate::http::{RateLimits, TrustedProxies};

/// A task of a node on the full stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers members and operators.
    Api,
    /// Sweeps the outbox.
    Publisher,
    /// Writes issuances to the database.
    Persister,
    /// Compares engine, outbox and database, and repairs safe differences.
    Reconciler,
}

impl Role {
    /// The roles that bring issuances into the database: at least one node of the full stack needs each of them.
    const CARRIERS: [(Self, &'static str); 2] =
        [(Self::Publisher, "publisher"), (Self::Persister, "persister")];
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "api" => Ok(Self::Api),
            "publisher" => Ok(Self::Publisher),
            "persister" => Ok(Self::Persister),
            "reconciler" => Ok(Self::Reconciler),
            _ => Err("a role is 'api', 'publisher', 'persister' or 'reconciler'".to_owned()),
        }
    }
}

/// The services of the full stack.
#[derive(Debug, Clone)]
pub struct StackUrls {
    /// `redis://...`
    pub redis: SecretString,
    /// `amqp://...`
    pub amqp: SecretString,
    /// `postgres://...`
    pub database: SecretString,
    /// The prefix of every exchange and queue.
    pub amqp_namespace: String,
}

/// The settings of a node, described by `openrun serve --help` and docs/configuration.md.
#[derive(Debug, Clone)]
pub struct Settings {
    pub bind: SocketAddr,
    pub engine: EngineKind,
    pub data_dir: PathBuf,
    /// Present if the engine needs the full stack.
    pub stack: Option<StackUrls>,
    /// Present if the engine decides in PostgreSQL.
    pub database: Option<SecretString>,
    pub accept_redis_data_loss: bool,
    pub roles: BTreeSet<Role>,
    /// The level at which members are answered; a request may ask for a higher one.
    pub ack: AckLevel,
    /// `None` allows operators' calls from loopback addresses only.
    pub admin_token: Option<SecretString>,
    pub rate_limit: RateLimits,
    pub trusted_proxies: TrustedProxies,
    pub persisters: usize,
    /// Pause between two scheduled runs of the reconciler; `None` turns them off.
    pub reconcile_interval: Option<Duration>,
    pub database_connections: u32,
    /// Threads of the HTTP server.
    pub workers: usize,
    /// Arbiters: threads that run actors.
    pub shards: usize,
    /// Issue requests that may wait for one coupon.
    pub queue_limit: usize,
    pub max_connections: usize,
    pub request_timeout: Duration,
    pub shutdown_timeout: Duration,
}

/// Settings that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("--engine {engine} needs {setting}: set it, or omit --engine to use the embedded engine", engine = .0.name(), setting = .1)]
    MissingUrl(EngineKind, &'static str),
    #[error("OPENRUN_ACK '{0}' is unknown: use granted, queued or persisted")]
    UnknownAck(String),
    /// Every machine on the network could make operators' calls.
    #[error(
        "OPENRUN_BIND {0} can be reached from other machines, but OPENRUN_ADMIN_TOKEN is not set: \
         set a token, or bind to 127.0.0.1"
    )]
    OpenToAll(SocketAddr),
    /// Every client of a proxy on this machine could make operators' calls, because its connections come from loopback.
    #[error(
        "OPENRUN_TRUSTED_PROXIES is set, but OPENRUN_ADMIN_TOKEN is not: clients of a local proxy come from loopback, \
         like operators; set a token"
    )]
    OpenBehindProxies,
    #[error(
        "OPENRUN_ADMIN_TOKEN has fewer than 16 characters: use a longer one, such as from `openssl rand -hex 24`"
    )]
    WeakToken,
    /// The token does not fit into an `Authorization` header, so no request could present it.
    #[error(
        "OPENRUN_ADMIN_TOKEN has a character that HTTP headers cannot carry, such as a line break: use visible ASCII \
         characters, such as from `openssl rand -hex 24`"
    )]
    UnsendableToken,
}

const TOKEN_MIN_CHARS: usize = 16;

/// Whether an `Authorization` header can carry `token` unchanged: visible ASCII, with spaces only between.
pub(crate) fn is_sendable(token: &str) -> bool {
    token.trim() == token && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

impl Settings {
    /// Roles that this node lacks and another node must have, so that its issuances arrive in the database.
    #[must_use]
    pub fn roles_needed_elsewhere(&self) -> Vec<&'static str> {
        let issues = self.engine.needs_stack() && self.roles.contains(&Role::Api);
        let lacking = Role::CARRIERS.into_iter().filter(|(role, _)| issues && !self.roles.contains(role));
        lacking.map(|(_, name)| name).collect()
    }

    /// Whether the node answers members. The embedded engine always does: it has a single node.
    #[must_use]
    pub fn serves_api(&self) -> bool {
        self.engine == EngineKind::Embedded || self.roles.contains(&Role::Api)
    }

    /// The PostgreSQL of the engine, if it uses one.
    #[must_use]
    pub fn database_url(&self) -> Option<&SecretString> {
        self.database.as_ref().or(self.stack.as_ref().map(|stack| &stack.database))
    }

    /// Location of the data, without secrets.
    #[must_use]
    pub fn data_location(&self) -> String {
        match (&self.stack, &self.database) {
            (Some(stack), _) => data_location::of_stack(&stack.database, &stack.redis),
            (None, Some(database)) => data_location::of_postgres(database),
            (None, None) => self.data_dir.display().to_string(),
        }
    }

    /// Refuses settings that leave operators' calls unprotected, or that no operator could use.
    pub fn check(&self) -> Result<(), SettingsError> {
        use secrecy::ExposeSecret as _;
        match &self.admin_token {
            None if !self.bind.ip().to_canonical().is_loopback() => Err(SettingsError::OpenToAll(self.bind)),
            None if !self.trusted_proxies.is_empty() => Err(SettingsError::OpenBehindProxies),
            Some(token) if token.expose_secret().chars().count() < TOKEN_MIN_CHARS => {
                Err(SettingsError::WeakToken)
            }
            Some(token) if !is_sendable(token.expose_secret()) => Err(SettingsError::UnsendableToken),
            _ => Ok(()),
        }
    }
}
