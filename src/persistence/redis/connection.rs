//! The one connection to Redis that a node shares: how it is made, and how long anybody waits for it.

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

/// The longest wait for an answer, whatever has to be done for it: send, reconnect, send again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for one attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After this long without a sign of the other side the system drops the connection, so that a new one is tried.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts to connect after the first that failed; whoever asks next begins anew.
const CONNECT_RETRIES: usize = 2;
/// Waits between these attempts grow from here.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// And up to here.
const RETRY_LONGEST: Duration = Duration::from_millis(500);
/// How often a question is sent again when the connection broke under it. Every script may be asked again.
const RESENDS: usize = 1;
/// Questions that may wait for their turn on the connection.
const PIPELINE: usize = 1_024;

/// Why there is no connection. None of these texts has the password in it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none, or not one of Redis.
    #[error("the Redis URL is wrong: {0}")]
    WrongUrl(&'static str),
    /// Nobody answers there.
    #[error("Redis at {address} cannot be reached: {cause}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        cause: BoxError,
    },
    /// It answers, but not to us.
    #[error("Redis at {address} does not accept the user or password of the URL")]
    WrongPassword {
        /// Host and port.
        address: String,
    },
    /// It answers, but not as it should.
    #[error("Redis at {address} refused the connection: {cause}")]
    Refused {
        /// Host and port.
        address: String,
        /// What it said.
        #[source]
        cause: BoxError,
    },
}

/// A connection that comes back by itself. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct RedisConnection {
    /// Host and port, to be shown.
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
    /// [`ConnectError`] says in one sentence what is wrong.
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
        let greet = async {
            let mut manager = ConnectionManager::new_with_config(Client::open(info)?, config).await?;
            // Without a password the connection itself succeeds, and only the first command is refused.
            redis::cmd("PING").query_async::<Value>(&mut manager).await?;
            Ok(manager)
        };
        match greet.await {
            Ok(manager) => Ok(Self { address, manager }),
            Err(error) => Err(refusal(address, error)),
        }
    }

    /// Host and port, to be shown.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs a script; its text is sent along if the server has forgotten it.
    pub(super) async fn invoke(&self, script: &ScriptInvocation<'_>) -> Result<Value, EngineError> {
        self.ask(Question::Script(script)).await
    }

    /// Runs one command that may be repeated.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, EngineError> {
        let answer = self.ask(Question::Command(command)).await?;
        from_redis_value(answer).map_err(|error| EngineError::Corrupt(error.to_string()))
    }

    async fn ask(&self, question: Question<'_>) -> Result<Value, EngineError> {
        let answer = async {
            let mut resends = RESENDS;
            loop {
                match question.send(self.manager.clone()).await {
                    Err(error) if error.is_connection_dropped() && resends > 0 => resends -= 1,
                    answer => return answer,
                }
            }
        };
        match timeout(RESPONSE_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(failure::of_redis),
            Err(_) => Err(failure::late()),
        }
    }
}

/// What may be asked, and asked again.
#[derive(Clone, Copy)]
enum Question<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Question<'_> {
    async fn send(self, mut manager: ConnectionManager) -> RedisResult<Value> {
        match self {
            Self::Script(script) => script.invoke_async(&mut manager).await,
            Self::Command(command) => command.query_async(&mut manager).await,
        }
    }
}

fn parse(url: &str) -> Result<ConnectionInfo, ConnectError> {
    let parsed = Url::parse(url).map_err(|_| ConnectError::WrongUrl("it is no URL"))?;
    if !matches!(parsed.scheme(), "redis" | "rediss") {
        return Err(ConnectError::WrongUrl("it must begin with redis:// or rediss://"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(ConnectError::WrongUrl("it names no host"));
    }
    let info = parsed.into_connection_info().map_err(|_| {
        ConnectError::WrongUrl("its user, password, database number or a parameter cannot be read")
    })?;
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE_TIMEOUT);
    Ok(info.set_tcp_settings(tcp))
}

fn refusal(address: String, error: RedisError) -> ConnectError {
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
    fn a_wrong_url_is_told_apart_without_showing_it() {
        for (url, words) in [
            ("", "no URL"),
            ("localhost", "no URL"),
            ("http://localhost", "redis:// or rediss://"),
            ("redis://:hunter2@/0", "no URL"),
            ("redis:///0", "no host"),
            ("redis://:hunter2@localhost/first", "database number"),
        ] {
            let text = parse(url).unwrap_err().to_string();
            assert!(text.contains(words), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn plain_and_tls_urls_are_taken() {
        for (url, address) in [
            ("redis://127.0.0.1:6390/2", "127.0.0.1:6390"),
            ("rediss://u:p@redis.example", "redis.example:6379"),
        ] {
            assert_eq!(parse(url).unwrap().addr().to_string(), address);
        }
    }
}
