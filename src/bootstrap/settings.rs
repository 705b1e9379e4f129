//! What a node is told, checked for sense before anything is begun.

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

/// What a node does on the full stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers members and operators.
    Api,
    /// Sweeps the outbox.
    Publisher,
    /// Writes issuances to the database.
    Persister,
    /// Compares engine, outbox and database, and repairs what is safe.
    Reconciler,
}

impl Role {
    /// What the full stack needs on some node for issuances to arrive in the database.
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

/// Where the services of the full stack are.
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

/// Everything a node is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Who decides.
    pub engine: EngineKind,
    /// Where the embedded engine keeps its file.
    pub data_dir: PathBuf,
    /// The services of the full stack; present if the engine needs them.
    pub stack: Option<StackUrls>,
    /// `postgres://...`, present if the engine decides there.
    pub database: Option<SecretString>,
    /// Whether weaker persistence of Redis is accepted, with the coupons it may lose.
    pub accept_redis_data_loss: bool,
    /// What the node does on the full stack.
    pub roles: BTreeSet<Role>,
    /// How far an issuance must have got before its member is told of it; a request may ask for more.
    pub ack: AckLevel,
    /// Who may make operators' calls; `None` means whoever calls over loopback.
    pub admin_token: Option<SecretString>,
    /// How often anybody may ask.
    pub rate_limit: RateLimits,
    /// Whose word on where a request comes from is taken.
    pub trusted_proxies: TrustedProxies,
    /// How many persisters write at a time.
    pub persisters: usize,
    /// How long the reconciler rests between two runs; `None` if it runs only when it is asked to.
    pub reconcile_interval: Option<Duration>,
    /// The most connections to PostgreSQL.
    pub database_connections: u32,
    /// Threads that parse and answer.
    pub workers: usize,
    /// Threads that actors live on.
    pub shards: usize,
    /// How many members may wait for one coupon.
    pub queue_limit: usize,
    /// Connections held at once.
    pub max_connections: usize,
    /// How long a member waits at most.
    pub request_timeout: Duration,
    /// How long shutting down may take.
    pub shutdown_timeout: Duration,
}

/// Settings that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A service that the engine needs is not named.
    #[error("--engine {engine} needs {setting}: set it, or leave --engine away to use the embedded engine", engine = .0.name(), setting = .1)]
    MissingUrl(EngineKind, &'static str),
    /// A level that there is not.
    #[error("OPENRUN_ACK '{0}' is no level: use granted, queued or persisted")]
    UnknownAck(String),
    /// Anybody on the network could make operators' calls.
    #[error(
        "OPENRUN_BIND {0} can be reached from other machines, but OPENRUN_ADMIN_TOKEN is not set: \
         set a token, or bind to 127.0.0.1"
    )]
    OpenToAll(SocketAddr),
    /// Whoever comes by way of a proxy on this machine could make operators' calls.
    #[error(
        "OPENRUN_TRUSTED_PROXIES is set, but OPENRUN_ADMIN_TOKEN is not: behind a proxy every client would come over \
         loopback, as operators do; set a token"
    )]
    OpenBehindProxies,
    /// A token that is easily guessed protects nothing.
    #[error(
        "OPENRUN_ADMIN_TOKEN has fewer than 16 characters: use a longer one, such as from `openssl rand -hex 24`"
    )]
    WeakToken,
    /// A token that nobody could ever give.
    #[error(
        "OPENRUN_ADMIN_TOKEN has a character that no header carries, such as a line break: use visible ASCII characters, \
         such as from `openssl rand -hex 24`"
    )]
    UnsendableToken,
}

/// The shortest token that is taken.
pub(super) const TOKEN_MIN_CHARS: usize = 16;

/// Whether an `Authorization` header carries `token` as it is: visible ASCII, and spaces between.
pub(crate) fn is_sendable(token: &str) -> bool {
    token.trim() == token && token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

impl Settings {
    /// The roles that another node must have for what this one issues to arrive in the database.
    #[must_use]
    pub fn left_to_others(&self) -> Vec<&'static str> {
        let issues = self.engine.needs_stack() && self.roles.contains(&Role::Api);
        let lacking = Role::CARRIERS.into_iter().filter(|(role, _)| issues && !self.roles.contains(role));
        lacking.map(|(_, name)| name).collect()
    }

    /// The PostgreSQL in which issuances end up, unless the embedded engine keeps them.
    #[must_use]
    pub fn database_url(&self) -> Option<&SecretString> {
        self.database.as_ref().or(self.stack.as_ref().map(|stack| &stack.database))
    }

    /// Where the data is, to be shown.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.stack, &self.database) {
            (Some(stack), _) => data_location::of_stack(&stack.database, &stack.redis),
            (None, Some(database)) => data_location::of_postgres(database),
            (None, None) => self.data_dir.display().to_string(),
        }
    }

    /// Looks for settings that cannot work together.
    ///
    /// # Errors
    /// [`SettingsError`] says what to do.
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
