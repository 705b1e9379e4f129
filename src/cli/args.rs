//! What can be typed: commands, flags, and the environment variable of each.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::inspect_args::{Interval, ReconcileArgs, VerifyArgs};
use crate::bootstrap::{EngineKind, Role};
use crate::telemetry::LogFormat;

/// Limited coupons, first come, first served: exactly as many as exist, and none is ever lost.
#[derive(Debug, Parser)]
#[command(name = "openrun", version, propagate_version = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve coupons over HTTP until SIGTERM or Ctrl-C
    Serve(NodeArgs),
    /// Race a crowd of members for a few coupons and print the verdict
    Demo(DemoArgs),
    /// Bring the schema of the database up to date
    Migrate(MigrateArgs),
    /// Create, list and steer coupons on a running node
    Coupons(CouponsArgs),
    /// Compare engine, outbox and database once, and repair what is safe; exit code 1 if something remains
    Reconcile(ReconcileArgs),
    /// Prove the promises on the data at rest, changing nothing; exit code 1 if one is broken
    Verify(VerifyArgs),
}

/// Where and how a node runs.
#[derive(Debug, Clone, Args)]
pub(super) struct NodeArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "OPENRUN_BIND", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(super) bind: SocketAddr,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What `serve` and `demo` have in common.
#[derive(Debug, Clone, Args)]
pub(super) struct CommonArgs {
    /// Who decides: `embedded` (nothing else to install) or `redis-lua` (Redis, RabbitMQ, PostgreSQL)
    #[arg(long, env = "OPENRUN_ENGINE", default_value = "embedded")]
    pub(super) engine: EngineKind,

    /// Directory of the embedded engine's file [default: ./openrun-data; for demo a temporary one]
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Redis, such as redis://localhost:6379 (redis-lua)
    #[arg(long, env = "OPENRUN_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(super) redis_url: Option<String>,

    /// RabbitMQ, such as amqp://user:password@localhost:5672/%2f (redis-lua)
    #[arg(long, env = "OPENRUN_AMQP_URL", value_name = "URL", hide_env_values = true)]
    pub(super) amqp_url: Option<String>,

    /// PostgreSQL, such as postgres://user:password@localhost:5432/openrun (redis-lua)
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,

    /// Prefix of every exchange and queue, so that several openruns can share a broker
    #[arg(long, env = "OPENRUN_AMQP_NAMESPACE", default_value = "openrun", value_name = "NAME")]
    pub(super) amqp_namespace: String,

    /// Serve although Redis may lose coupons that members were told of (needs appendfsync always otherwise)
    #[arg(
        long,
        env = "OPENRUN_ACCEPT_REDIS_DATA_LOSS",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(super) accept_redis_data_loss: bool,

    /// What this node does (redis-lua): any of api, publisher, persister, reconciler
    #[arg(
        long,
        env = "OPENRUN_ROLES",
        default_value = "api,publisher,persister,reconciler",
        value_delimiter = ',',
        value_name = "ROLES"
    )]
    pub(super) roles: Vec<Role>,

    /// When a member is told of a coupon: granted (the engine has it), queued (the broker too), persisted (the database
    /// too); a request may ask for more
    #[arg(long, env = "OPENRUN_ACK", default_value = "granted", value_name = "LEVEL")]
    pub(super) ack: String,

    /// Token for operators' calls; needed unless bound to loopback. Best given by the environment
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(super) admin_token: Option<String>,

    /// Persisters that write to PostgreSQL at a time (redis-lua)
    #[arg(long, env = "OPENRUN_PERSISTERS", default_value_t = 2, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) persisters: u16,

    /// Seconds that the reconciler rests between two runs, or `off`
    #[arg(long, env = "OPENRUN_RECONCILE_INTERVAL", default_value = "60", value_name = "SECONDS")]
    pub(super) reconcile_interval: Interval,

    /// Most connections to PostgreSQL (redis-lua)
    #[arg(long, env = "OPENRUN_DATABASE_CONNECTIONS", default_value_t = 10, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) database_connections: u32,

    /// Threads that parse and answer [default: one a core]
    #[arg(long, env = "OPENRUN_WORKERS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(super) workers: Option<u16>,

    /// Threads that actors live on [default: half of the cores, at least one]
    #[arg(long, env = "OPENRUN_SHARDS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(super) shards: Option<u16>,

    /// Members who may wait for one coupon; the next one is told 503 overloaded
    #[arg(long, env = "OPENRUN_QUEUE_LIMIT", default_value_t = 50_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) queue_limit: u32,

    /// Connections held at once
    #[arg(long, env = "OPENRUN_MAX_CONNECTIONS", default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) max_connections: u32,

    /// Milliseconds a member waits at most before 503 outcome_unknown
    #[arg(long, env = "OPENRUN_REQUEST_TIMEOUT_MS", default_value_t = 5_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(50..=600_000))]
    pub(super) request_timeout_ms: u64,

    /// Seconds that shutting down may take
    #[arg(long, env = "OPENRUN_SHUTDOWN_TIMEOUT", default_value_t = 30, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(super) shutdown_timeout: u64,

    /// How log lines are written: `pretty` or `json`
    #[arg(long, env = "OPENRUN_LOG_FORMAT", default_value = "pretty", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,

    /// Which log lines are written, such as `info` or `openrun=debug,warn` [default: info; for demo warn]
    #[arg(long, env = "OPENRUN_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct MigrateArgs {
    /// PostgreSQL to bring up to date, such as postgres://user:password@localhost:5432/openrun
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,

    /// Directory of the embedded engine's file [default: ./openrun-data]; it is also brought up to date by `serve`
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Who decides: `embedded` or `redis-lua` [default: redis-lua if a PostgreSQL is named, else embedded]
    #[arg(long, env = "OPENRUN_ENGINE")]
    pub(super) engine: Option<EngineKind>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DemoArgs {
    /// Members who race
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(super) members: u64,

    /// Coupons that exist
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(super) stock: u32,

    /// HTTP clients that press the button at the same time
    #[arg(long, default_value_t = 256, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub(super) clients: u16,

    /// Part of the members who click twice at once, from 0 to 1
    #[arg(long, default_value_t = 0.1, value_name = "PART", value_parser = part)]
    pub(super) double_click: f64,

    /// Write the figures and the verdict as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,

    /// Go on serving after the verdict, until Ctrl-C
    #[arg(long)]
    pub(super) keep_serving: bool,

    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = address)]
    pub(super) bind: SocketAddr,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// An address, or the first one of a name such as `localhost:8080`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found =
        text.to_socket_addrs().map_err(|_| "write it as 127.0.0.1:8080 or localhost:8080".to_owned())?;
    found.next().ok_or_else(|| "that name has no address".to_owned())
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("a part is a number from 0 to 1".to_owned()),
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct CouponsArgs {
    /// The node to talk to
    #[arg(
        long,
        env = "OPENRUN_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        global = true
    )]
    pub(super) server: String,

    /// The operators' token of that node
    #[arg(long, env = "OPENRUN_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    pub(super) admin_token: Option<String>,

    /// Write JSON instead of a table
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(subcommand)]
    pub(super) call: CouponsCall,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum CouponsCall {
    /// Create a coupon
    Create(CreateArgs),
    /// List all coupons and how they stand
    List,
    /// Show one coupon
    Show {
        /// The coupon's id
        id: String,
    },
    /// Change how many coupons exist; never below what is issued
    SetTotal {
        /// The coupon's id
        id: String,
        /// How many exist from now on
        total: u32,
    },
    /// Hold a coupon for now
    Pause {
        /// The coupon's id
        id: String,
    },
    /// Let a held coupon go on
    Resume {
        /// The coupon's id
        id: String,
    },
    /// End a coupon for good
    Close {
        /// The coupon's id
        id: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct CreateArgs {
    /// The coupon's id: 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'
    pub(super) id: String,

    /// How many exist
    #[arg(long)]
    pub(super) total: u32,

    /// What people see [default: the id]
    #[arg(long)]
    pub(super) name: Option<String>,

    /// The small print
    #[arg(long)]
    pub(super) description: Option<String>,

    /// What it is worth, as it is to be shown
    #[arg(long)]
    pub(super) discount: Option<String>,

    /// When issuing begins, such as 2026-12-01T09:00:00+09:00 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) opens_at: Option<String>,

    /// When issuing ends [default: never]
    #[arg(long, value_name = "TIME")]
    pub(super) closes_at: Option<String>,

    /// Until when an issued coupon can be redeemed [default: for ever]
    #[arg(long, value_name = "TIME")]
    pub(super) valid_until: Option<String>,
}
