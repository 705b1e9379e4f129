//! The kinds of engines, and the services that each of them needs.

use std::str::FromStr;

use crate::persistence::postgres::Locking;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// SQLite in the data directory, without any service.
    Embedded,
    /// Redis decides in a script, RabbitMQ transports, PostgreSQL stores.
    RedisLua,
    /// Like `RedisLua`, but the node decides while it holds a lock in Redis.
    RedisLock,
    /// PostgreSQL decides and stores.
    Postgres(Locking),
}

impl EngineKind {
    const ALL: [Self; 5] = [
        Self::Embedded,
        Self::RedisLua,
        Self::RedisLock,
        Self::Postgres(Locking::Pessimistic),
        Self::Postgres(Locking::Optimistic),
    ];

    /// The engine's name in settings, metrics and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisLua => "redis-lua",
            Self::RedisLock => "redis-lock",
            Self::Postgres(Locking::Pessimistic) => "postgres-pessimistic",
            Self::Postgres(Locking::Optimistic) => "postgres-optimistic",
        }
    }

    /// The service that holds the engine's state, as the label of `openrun_service_up`.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Embedded => "sqlite",
            Self::RedisLua | Self::RedisLock => "redis",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Whether it needs the full stack: Redis, RabbitMQ and PostgreSQL.
    #[must_use]
    pub fn needs_stack(self) -> bool {
        matches!(self, Self::RedisLua | Self::RedisLock)
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(|kind| format!("'{}'", kind.name()));
            format!("an engine is one of {}", names.join(", "))
        })
    }
}
