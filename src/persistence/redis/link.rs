//! A connection to one server that takes writes, and the way to it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError, RedisResult};
use tokio::time::{sleep, timeout};

use super::connect_error::ConnectError;
use super::durability::{LossPolicy, ServerReport};
use super::route::Route;
use super::sentinel::Sentinels;
use crate::retry::Retry;

/// Bound on connecting to one server, including its report.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Tries after the first failure to connect at start.
const CONNECT_RETRIES: usize = 2;
/// Commands that may queue for the connection.
const PIPELINE: usize = 1_024;
/// Requests in a row without an answer in time, after which the connection is replaced: the server may be frozen while
/// another one has taken its place.
const TIMEOUTS_MAX: u32 = 2;

/// A connection to a server that was a primary when it was made. Its name is not resolved again: a connection to another
/// server is another link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: String,
    pub(super) connection: MultiplexedConnection,
    pub(super) report: ServerReport,
    /// Requests in a row without an answer in time.
    timeouts: AtomicU32,
    /// Whether a request has been answered.
    has_answered: AtomicBool,
    is_given_up: AtomicBool,
}

impl Link {
    /// Connects to the primary at the end of `route`, within a few tries and some seconds.
    pub(super) async fn open_with_retries(route: &Route, policy: LossPolicy) -> Result<Self, ConnectError> {
        let mut retry = Retry::reconnect();
        let mut retries = CONNECT_RETRIES;
        loop {
            match Self::open(route, policy).await {
                Err(error) if error.may_pass() && retries > 0 => retries -= 1,
                link => return link,
            }
            sleep(retry.wait()).await;
        }
    }

    /// Tries once to connect to the primary at the end of `route`.
    pub(super) async fn open(route: &Route, policy: LossPolicy) -> Result<Self, ConnectError> {
        match route {
            Route::Direct(server) => Self::open_server(server, policy).await,
            Route::Sentinel(sentinels) => Self::open_named(sentinels, policy).await,
        }
    }

    /// Asks each sentinel in turn, until one names a server that is a primary. A sentinel that was cut off from the
    /// others may name an earlier one.
    async fn open_named(sentinels: &Sentinels, policy: LossPolicy) -> Result<Self, ConnectError> {
        let mut causes = Vec::new();
        let mut tried = Vec::new();
        for sentinel in sentinels.servers() {
            match sentinels.ask(sentinel).await {
                Ok(server) if tried.contains(server.addr()) => {}
                Ok(server) => match Self::open_server(&server, policy).await {
                    Err(error) if error.may_pass() => {
                        causes.push(error.to_string());
                        tried.push(server.addr().clone());
                    }
                    link => return link,
                },
                Err(cause) => causes.push(cause),
            }
        }
        let (addresses, name) = (sentinels.addresses(), sentinels.name().to_owned());
        Err(ConnectError::NoPrimary { addresses, name, cause: causes.join("; ") })
    }

    /// Connects to one server and refuses it unless it is a primary that `policy` permits.
    async fn open_server(server: &ConnectionInfo, policy: LossPolicy) -> Result<Self, ConnectError> {
        let address = server.addr().to_string();
        let unreachable = |error: RedisError| ConnectError::of(address.clone(), error);
        // `send` in `connection.rs` and the timeout below bound every wait.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let user = server.redis_settings().username().unwrap_or("default");
        let open = async {
            let client = Client::open(server.clone()).map_err(unreachable)?;
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            let mut connection = connection.map_err(unreachable)?;
            let report = ServerReport::read(&mut connection, &address, user).await?;
            Ok((connection, report))
        };
        let (connection, report) = match timeout(CONNECT_TIMEOUT, open).await {
            Ok(opened) => opened?,
            Err(_) => return Err(unreachable(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
        };
        if report.role != "master" {
            return Err(ConnectError::Replica { address });
        }
        if report.is_loading {
            return Err(ConnectError::Loading { address });
        }
        report.judge(policy, &address, user)?;
        Ok(Self {
            address,
            connection,
            report,
            timeouts: AtomicU32::new(0),
            has_answered: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
        })
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Acquire)
    }

    pub(super) fn mark_given_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    /// Notes an answer in time; returns whether it is the first.
    pub(super) fn record_answer(&self) -> bool {
        self.timeouts.store(0, Ordering::Relaxed);
        !self.has_answered.load(Ordering::Relaxed) && !self.has_answered.swap(true, Ordering::Relaxed)
    }

    /// Notes a request without an answer in time; returns whether the link is to be replaced.
    pub(super) fn record_timeout(&self) -> bool {
        self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_MAX
    }
}

/// Whether an answer says that the link is broken, or does not lead to a server that takes writes (any more).
pub(super) fn must_replace<T>(answer: &RedisResult<T>) -> bool {
    answer.as_ref().is_err_and(|error| {
        matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN"))
            || error.is_connection_dropped()
            || error.is_unrecoverable_error()
    })
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::must_replace;

    #[test]
    fn a_server_that_takes_no_writes_is_left_and_a_busy_one_is_not() {
        let answer = |code: &str| Err::<(), _>(make_extension_error(code.to_owned(), None));
        for code in ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"] {
            assert!(must_replace(&answer(code)), "{code}");
        }
        for code in ["BUSY", "OOM", "NOREPLICAS", "MISCONF", "NOPERM", "WRONGTYPE"] {
            assert!(!must_replace(&answer(code)), "{code}");
        }
        assert!(!must_replace(&Ok(())));
    }
}
