//! Arguments of `reconcile` and `verify`: the location of the data, and the coupon to check.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::defaults::{DATA_DIR, required_url};
use crate::bootstrap::{EngineKind, InspectionSettings, SettingsError};
use crate::cli::failure::Failure;
use crate::domain::CouponId;
use crate::telemetry::{self, LogFormat};

/// A day.
const INTERVAL_MAX_S: u64 = 86_400;

/// Pause between two runs; `None` for `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Interval(pub(in crate::cli) Option<Duration>);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(seconds @ 1..=INTERVAL_MAX_S) => Ok(Self(Some(Duration::from_secs(seconds)))),
            _ if text == "off" => Ok(Self(None)),
            _ => Err(format!("an interval is 1 to {INTERVAL_MAX_S} seconds, or 'off'")),
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct InspectArgs {
    /// Engine, as for `serve` [default: redis-lua if PostgreSQL has a URL, else embedded]
    #[arg(long, env = "OPENRUN_ENGINE")]
    engine: Option<EngineKind>,

    /// Directory of the embedded engine's file [default: ./openrun-data]
    #[arg(long, env = "OPENRUN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Redis, such as redis://localhost:6379 (redis-*)
    #[arg(long, env = "OPENRUN_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// PostgreSQL, such as postgres://user:password@localhost:5432/openrun (all but embedded)
    #[arg(long, env = "OPENRUN_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// Check this coupon only
    #[arg(long, value_name = "ID", value_parser = coupon)]
    pub(in crate::cli) coupon: Option<CouponId>,

    /// Write JSON instead of a table
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// Log filter, such as `info` or `openrun=debug,warn`
    #[arg(long, env = "OPENRUN_LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ReconcileArgs {
    /// Report repairable findings, but repair nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) inspect: InspectArgs,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// RabbitMQ, to count the dead letters; without it they are not reported (redis-*)
    #[arg(long, env = "OPENRUN_AMQP_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) amqp_url: Option<String>,

    /// Prefix of every exchange and queue
    #[arg(long, env = "OPENRUN_AMQP_NAMESPACE", default_value = "openrun", value_name = "NAME")]
    pub(in crate::cli) amqp_namespace: String,

    #[command(flatten)]
    pub(in crate::cli) inspect: InspectArgs,
}

fn coupon(text: &str) -> Result<CouponId, String> {
    CouponId::parse(text).map_err(|error| error.to_string())
}

impl InspectArgs {
    pub(in crate::cli) fn settings(&self, may_write: bool) -> Result<InspectionSettings, SettingsError> {
        let is_named = self.database_url.as_ref().is_some_and(|url| !url.is_empty());
        let guessed = if is_named { EngineKind::RedisLua } else { EngineKind::Embedded };
        let engine = self.engine.unwrap_or(guessed);
        let database = || required_url(self.database_url.as_ref(), engine, "OPENRUN_DATABASE_URL");
        Ok(match engine {
            EngineKind::Embedded => {
                InspectionSettings::Embedded(self.data_dir.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR)))
            }
            EngineKind::RedisLua | EngineKind::RedisLock => InspectionSettings::Stack {
                engine,
                redis: required_url(self.redis_url.as_ref(), engine, "OPENRUN_REDIS_URL")?,
                database: database()?,
                may_write,
            },
            EngineKind::Postgres(locking) => InspectionSettings::Postgres { locking, database: database()? },
        })
    }

    /// Starts logging to standard error; the report goes to standard output.
    pub(in crate::cli) fn begin_logging(&self) -> Result<(), Failure> {
        telemetry::init(LogFormat::Pretty, &self.log, None).map(drop).map_err(Failure::operator)
    }
}
