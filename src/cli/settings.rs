//! Converts the arguments of `serve` and `demo` into the settings of a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::args::{CommonArgs, required_url};
use super::failure::Failure;
use crate::bootstrap::{EngineKind, Settings, SettingsError, StackUrls};
use crate::domain::AckLevel;
use crate::telemetry::{self, Traces};

impl CommonArgs {
    pub(super) fn settings(&self, bind: SocketAddr, data_dir: PathBuf) -> Result<Settings, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            bind,
            engine: self.engine,
            data_dir,
            stack: self.stack()?,
            database: self.database()?,
            accept_redis_data_loss: self.accept_redis_data_loss,
            roles: self.roles.iter().copied().collect(),
            ack: self.ack()?,
            admin_token: self.admin_token.clone().filter(|token| !token.is_empty()).map(Into::into),
            rate_limit: self.rate_limit,
            trusted_proxies: self.trusted_proxies.clone(),
            persisters: usize::from(self.persisters),
            reconcile_interval: self.reconcile_interval.0,
            database_connections: self.database_connections,
            workers: self.workers.map_or(cores, usize::from),
            shards: self.shards.map_or((cores / 2).max(1), usize::from),
            queue_limit: self.queue_limit as usize,
            max_connections: self.max_connections as usize,
            request_timeout: Duration::from_millis(self.request_timeout_ms),
            shutdown_timeout: Duration::from_secs(self.shutdown_timeout),
        };
        settings.check()?;
        Ok(settings)
    }

    fn ack(&self) -> Result<AckLevel, SettingsError> {
        AckLevel::parse(&self.ack).ok_or_else(|| SettingsError::UnknownAck(self.ack.clone()))
    }

    fn stack(&self) -> Result<Option<StackUrls>, SettingsError> {
        if !self.engine.needs_stack() {
            return Ok(None);
        }
        Ok(Some(StackUrls {
            redis: required_url(self.redis_url.as_ref(), self.engine, "OPENRUN_REDIS_URL")?,
            amqp: required_url(self.amqp_url.as_ref(), self.engine, "OPENRUN_AMQP_URL")?,
            database: required_url(self.database_url.as_ref(), self.engine, "OPENRUN_DATABASE_URL")?,
            amqp_namespace: self.amqp_namespace.clone(),
        }))
    }

    /// The URL of PostgreSQL, if the engine decides there.
    fn database(&self) -> Result<Option<SecretString>, SettingsError> {
        match self.engine {
            EngineKind::Postgres(_) => {
                required_url(self.database_url.as_ref(), self.engine, "OPENRUN_DATABASE_URL").map(Some)
            }
            EngineKind::Embedded | EngineKind::RedisLua | EngineKind::RedisLock => Ok(None),
        }
    }

    /// Starts logging, by default with `default_filter`, and tracing. Dropping the result ends tracing.
    pub(super) fn begin_telemetry(&self, default_filter: &str) -> Result<Option<Traces>, Failure> {
        let traces = self.traces.settings().map_err(Failure::operator)?;
        let filter = self.log.as_deref().unwrap_or(default_filter);
        telemetry::init(self.log_format, filter, traces.as_ref()).map_err(Failure::operator)
    }
}
