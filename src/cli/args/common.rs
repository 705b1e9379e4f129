//! Arguments that `serve` and `demo` share.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::Args;

use super::inspect::Interval;
use super::traces::TraceArgs;
use crate::bootstrap::{EngineKind, Role};
use crate::http::{RateLimits, TrustedProxies};
use crate::telemetry::LogFormat;

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct CommonArgs {
    /// Engine: `embedded` (nothing else to install), `redis-lua` or `redis-lock` (Redis, RabbitMQ, PostgreSQL), or
    /// `postgres-pessimistic` or `postgres-optimistic` (PostgreSQL alone)
    #[arg(long, env = "OPENRUN_ENGINE", default_value = "embedded")]
    pub(in crate::cli) engine: EngineKind,

    /// Directory of the embedded engine's file [default: ./openrun-data; for demo a temporary one]
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Redis, such as redis://localhost:6379 (redis-*)
    #[arg(long, env = "OPENRUN_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) redis_url: Option<String>,

    /// RabbitMQ, such as amqp://user:password@localhost:5672/%2f (redis-*)
    #[arg(long, env = "OPENRUN_AMQP_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) amqp_url: Option<String>,

    /// PostgreSQL, such as postgres://user:password@localhost:5432/openrun (all but embedded)
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) database_url: Option<String>,

    /// Prefix of every exchange and queue, so that several openruns can share a broker
    #[arg(long, env = "OPENRUN_AMQP_NAMESPACE", default_value = "openrun", value_name = "NAME")]
    pub(in crate::cli) amqp_namespace: String,

    /// Serve although Redis may lose coupons that members already have; without it, Redis needs `appendfsync always`
    #[arg(
        long,
        env = "OPENRUN_ACCEPT_REDIS_DATA_LOSS",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(in crate::cli) accept_redis_data_loss: bool,

    /// Work of this node: any of api, publisher, persister (redis-*), reconciler
    #[arg(
        long,
        env = "OPENRUN_ROLES",
        default_value = "api,publisher,persister,reconciler",
        value_delimiter = ',',
        value_name = "ROLES"
    )]
    pub(in crate::cli) roles: Vec<Role>,

    /// When a member is answered: granted (the engine has the issuance), queued (the broker, too), persisted (the
    /// database, too); a request may ask for more
    #[arg(long, env = "OPENRUN_ACK", default_value = "granted", value_name = "LEVEL")]
    pub(in crate::cli) ack: String,

    /// Token for operators' calls, required beyond loopback and behind a proxy. Best set in the environment
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(in crate::cli) admin_token: Option<String>,

    /// Rate limits: `off`, or rate per second (s), minute (m) or hour (h) and burst, for all clients of an address and for
    /// one member there. Clients on this machine are limited only with `loopback=limited`
    #[arg(long, env = "OPENRUN_RATE_LIMIT", default_value = RateLimits::DEFAULT, value_name = "LIMITS")]
    pub(in crate::cli) rate_limit: RateLimits,

    /// Networks of proxies, from which X-Forwarded-For or Forwarded is trusted, such as 10.0.0.0/8,192.0.2.7
    /// [default: none]
    #[arg(
        long,
        env = "OPENRUN_TRUSTED_PROXIES",
        default_value = "",
        hide_default_value = true,
        value_name = "NETWORKS"
    )]
    pub(in crate::cli) trusted_proxies: TrustedProxies,

    /// Persisters, which write to PostgreSQL in parallel (redis-*)
    #[arg(long, env = "OPENRUN_PERSISTERS", default_value_t = 2, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(in crate::cli) persisters: u16,

    /// Seconds between two runs of the reconciler, or `off`
    #[arg(long, env = "OPENRUN_RECONCILE_INTERVAL", default_value = "60", value_name = "SECONDS")]
    pub(in crate::cli) reconcile_interval: Interval,

    /// Most connections to PostgreSQL (all but embedded)
    #[arg(long, env = "OPENRUN_DATABASE_CONNECTIONS", default_value_t = 10, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) database_connections: u32,

    /// Threads that read requests and write responses [default: one per core]
    #[arg(long, env = "OPENRUN_WORKERS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(in crate::cli) workers: Option<u16>,

    /// Threads that run actors [default: half of the cores, at least one]
    #[arg(long, env = "OPENRUN_SHARDS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(in crate::cli) shards: Option<u16>,

    /// Members that may wait for one coupon; the next one receives 503 overloaded
    #[arg(long, env = "OPENRUN_QUEUE_LIMIT", default_value_t = 50_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(in crate::cli) queue_limit: u32,

    /// Open connections at a time
    #[arg(long, env = "OPENRUN_MAX_CONNECTIONS", default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(in crate::cli) max_connections: u32,

    /// Longest wait of a member in milliseconds, before 503 outcome_unknown
    #[arg(long, env = "OPENRUN_REQUEST_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(50..=600_000))]
    pub(in crate::cli) request_timeout_ms: u64,

    /// Seconds that a shutdown may take
    #[arg(long, env = "OPENRUN_SHUTDOWN_TIMEOUT", default_value_t = 30, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(in crate::cli) shutdown_timeout: u64,

    /// Format of log lines: `pretty` or `json`
    #[arg(long, env = "OPENRUN_LOG_FORMAT", default_value = "pretty", value_name = "FORMAT")]
    pub(in crate::cli) log_format: LogFormat,

    /// Log filter, such as `info` or `openrun=debug,warn` [default: info; for demo warn]
    #[arg(long, env = "OPENRUN_LOG", value_name = "FILTER")]
    pub(in crate::cli) log: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) traces: TraceArgs,
}

/// Parses an address, or resolves a name such as `localhost:8080` to its first address.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found =
        text.to_socket_addrs().map_err(|_| "write it as 127.0.0.1:8080 or localhost:8080".to_owned())?;
    found.next().ok_or_else(|| "this name has no address".to_owned())
}
