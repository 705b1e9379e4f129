//! The connection to Redis that all actors of a node share, and the bounds on waiting for it.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ScriptInvocation, Value, from_redis_value,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use super::failure;
use crate::ports::{BoxError, EngineError};

/// Bound on an answer, including a reconnect and a second sending.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The operating system drops a connection whose data is not acknowledged for this long, so that a new one is tried.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts to connect after the first failure; the next command begins again.
const CONNECT_RETRIES: usize = 2;
/// Waits between these attempts grow from `RETRY_FIRST` to `RETRY_LONGEST`.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_millis(500);
/// Repetitions of a command whose connection broke. Every script may be repeated.
const RESENDS: usize = 1;
/// Commands that may queue for the connection.
const PIPELINE: usize = 1_024;

/// No text of these errors contains the password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the Redis URL is wrong: {0}")]
    WrongUrl(&'static str),
    #[error("Redis at {address} cannot be reached: {cause}")]
    Unreachable {
        address: String,
        #[source]
        cause: BoxError,
    },
    #[error("Redis at {address} does not accept the user or password of the URL")]
    WrongPassword { address: String },
    #[error("Redis at {address} refused the connection: {cause}")]
    Refused {
        address: String,
        #[source]
        cause: BoxError,
    },
}

/// A connection that reconnects by itself. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    address: String,
    manager: ConnectionManager,
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl RedisConnection {
    /// Connects to a single Redis: `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. Gives up
    /// after a few attempts within some seconds.
    ///
    /// # Errors
    /// [`ConnectError`] with one sentence on the cause.
    pub async fn connect(url: &SecretString) -> Result<Self, ConnectError> {
        let info = parse(url.expose_secret())?;
        let address = info.addr().to_string();
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_number_of_retries(CONNECT_RETRIES)
            .set_min_delay(RETRY_FIRST)
            .set_max_delay(RETRY_LONGEST)
            .set_pipeline_buffer_size(PIPELINE);
        let connect = async {
            let mut manager = ConnectionManager::new_with_config(Client::open(info)?, config).await?;
            // Without a password the connection itself succeeds, and only the first command is refused.
            redis::cmd("PING").query_async::<Value>(&mut manager).await?;
            Ok(manager)
        };
        match connect.await {
            Ok(manager) => Ok(Self { address, manager }),
            Err(error) => Err(connect_error(address, error)),
        }
    }

    /// Host and port, without the credentials of the URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs a script, and sends its text if the server does not have it.
    pub(super) async fn invoke(&self, script: &ScriptInvocation<'_>) -> Result<Value, EngineError> {
        self.send(Request::Script(script)).await
    }

    /// Runs one command, which must be safe to repeat.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, EngineError> {
        let answer = self.send(Request::Command(command)).await?;
        from_redis_value(answer).map_err(|error| EngineError::Corrupt(error.to_string()))
    }

    async fn send(&self, request: Request<'_>) -> Result<Value, EngineError> {
        let answer = async {
            let mut resends = RESENDS;
            loop {
                match request.send(self.manager.clone()).await {
                    Err(error) if error.is_connection_dropped() && resends > 0 => resends -= 1,
                    answer => return answer,
                }
            }
        };
        match timeout(RESPONSE_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(failure::engine_error),
            Err(_) => Err(failure::timed_out()),
        }
    }
}

/// A request that is safe to repeat.
#[derive(Clone, Copy)]
enum Request<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Request<'_> {
    async fn send(self, mut manager: ConnectionManager) -> RedisResult<Value> {
        match self {
            Self::Script(script) => script.invoke_async(&mut manager).await,
            Self::Command(command) => command.query_async(&mut manager).await,
        }
    }
}

fn parse(url: &str) -> Result<ConnectionInfo, ConnectError> {
    let parsed = Url::parse(url).map_err(|_| ConnectError::WrongUrl("it is not a URL"))?;
    if !matches!(parsed.scheme(), "redis" | "rediss") {
        return Err(ConnectError::WrongUrl("it must begin with redis:// or rediss://"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(ConnectError::WrongUrl("it has no host"));
    }
    let info = parsed.into_connection_info().map_err(|_| {
        ConnectError::WrongUrl("its user, password, database number or a parameter cannot be read")
    })?;
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE_TIMEOUT);
    Ok(info.set_tcp_settings(tcp))
}

fn connect_error(address: String, error: RedisError) -> ConnectError {
    let password = error.kind() == redis::ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"));
    if password {
        ConnectError::WrongPassword { address }
    } else if error.is_io_error() {
        ConnectError::Unreachable { address, cause: Box::new(error) }
    } else {
        ConnectError::Refused { address, cause: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_wrong_url_is_explained_without_its_password() {
        for (url, words) in [
            ("", "not a URL"),
            ("localhost", "not a URL"),
            ("http://localhost", "redis:// or rediss://"),
            ("redis://:hunter2@/0", "not a URL"),
            ("redis:///0", "no host"),
            ("redis://:hunter2@localhost/first", "database number"),
        ] {
            let text = parse(url).unwrap_err().to_string();
            assert!(text.contains(words), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn plain_and_tls_urls_are_accepted() {
        for (url, address) in [
            ("redis://127.0.0.1:6390/2", "127.0.0.1:6390"),
            ("rediss://u:p@redis.example", "redis.example:6379"),
        ] {
            assert_eq!(parse(url).unwrap().addr().to_string(), address);
        }
    }
}
