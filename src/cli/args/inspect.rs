//! What can be typed after `reconcile` and `verify`: where the data is, and which of it to look at.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::defaults::{DATA_DIR, required_url};
use crate::bootstrap::{EngineKind, InspectionSettings, SettingsError};
use crate::cli::failure::Failure;
use crate::domain::CouponId;
use crate::telemetry::{self, LogFormat};

/// The longest rest between two runs, in seconds: a day.
const INTERVAL_MAX_S: u64 = 86_400;

/// A rest between two runs, or none at all.
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

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct PlaceArgs {
    /// Who decides, as for `serve` [default: redis-lua if a PostgreSQL is named, else embedded]
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

    /// Look at this coupon only
    #[arg(long, value_name = "ID", value_parser = coupon)]
    pub(in crate::cli) coupon: Option<CouponId>,

    /// Write JSON instead of a table
    #[arg(long)]
    pub(in crate::cli) json: bool,

    /// Which log lines are written, such as `info` or `openrun=debug,warn`
    #[arg(long, env = "OPENRUN_LOG", default_value = "error", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ReconcileArgs {
    /// Tell what would be repaired, and repair nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// RabbitMQ, to count the dead letters; they are left out without it (redis-*)
    #[arg(long, env = "OPENRUN_AMQP_URL", value_name = "URL", hide_env_values = true)]
    pub(in crate::cli) amqp_url: Option<String>,

    /// Prefix of every exchange and queue
    #[arg(long, env = "OPENRUN_AMQP_NAMESPACE", default_value = "openrun", value_name = "NAME")]
    pub(in crate::cli) amqp_namespace: String,

    #[command(flatten)]
    pub(in crate::cli) place: PlaceArgs,
}

fn coupon(text: &str) -> Result<CouponId, String> {
    CouponId::parse(text).map_err(|error| error.to_string())
}

impl PlaceArgs {
    /// Where the data is, if enough has been said.
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
            EngineKind::Postgres(turns) => InspectionSettings::Postgres { turns, database: database()? },
        })
    }

    /// Begins to write log lines, of which there are few: the answer goes to standard output.
    pub(in crate::cli) fn begin_logging(&self) -> Result<(), Failure> {
        telemetry::init(LogFormat::Pretty, &self.log, None).map(drop).map_err(Failure::operator)
    }
}
