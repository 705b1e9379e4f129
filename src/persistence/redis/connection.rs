//! The connection to Redis that all actors of a node share, its replacement, and the bounds on waiting for it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation, Value, from_redis_value};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::time::{sleep_until, timeout};

use super::connect_error::ConnectError;
use super::durability::{LossPolicy, ServerReport};
use super::failure;
use super::link::{Link, must_replace};
use super::route::Route;
use crate::ports::EngineError;
use crate::retry::Retry;
use crate::sync::Locked;

/// Bound on an answer, including a reconnect and a second sending.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Repetitions of a request whose link was replaced. Every script may be repeated.
const RESENDS: usize = 1;

/// A connection to the primary that replaces itself: when it breaks, when the server turns out to take no writes, and
/// when it is silent. Each replacement resolves the name, or asks the sentinels, anew. Cheap to clone; all clones share
/// it.
#[derive(Clone)]
pub struct RedisConnection {
    address: String,
    line: Arc<Line>,
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The part that all clones share.
struct Line {
    route: Route,
    policy: LossPolicy,
    /// Runs attempts to connect, and the connections themselves: the runtime of a caller may end before.
    runtime: Handle,
    slot: Locked<Slot>,
}

struct Slot {
    state: State,
    /// Whether a link was given up since the last answer of any link.
    is_searching: bool,
    /// Waits between attempts, until a link answers a request.
    retry: Retry,
    /// The failure of the attempts since the last link that is in the log already.
    logged: Option<String>,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Link>, Arc<ConnectError>>>>;

enum State {
    Linked(Arc<Link>),
    Connecting(Attempt),
    /// The next request begins an attempt, which connects at `after`.
    Idle {
        after: Instant,
    },
}

impl RedisConnection {
    /// Connects without any claim on durability; see [`RedisConnection::connect_with`].
    ///
    /// # Errors
    /// [`ConnectError`] with one sentence on the cause.
    pub async fn connect(url: &SecretString) -> Result<Self, ConnectError> {
        Self::connect_with(url, LossPolicy::Ignore).await
    }

    /// Connects to a primary: `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS,
    /// `redis+unix:///path[?db=database&user=user&pass=password]`, or
    /// `redis-sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]`. Gives up after a few tries within
    /// some seconds. `policy` also applies to every server that is connected to later.
    ///
    /// # Errors
    /// [`ConnectError`] with one sentence on the cause.
    pub async fn connect_with(url: &SecretString, policy: LossPolicy) -> Result<Self, ConnectError> {
        let route = Route::parse(url.expose_secret())?;
        let address = route.address();
        let link = Link::open_with_retries(&route, policy).await?;
        let state = State::Linked(Arc::new(link));
        let slot = Slot { state, is_searching: false, retry: Retry::reconnect(), logged: None };
        let line = Line { route, policy, runtime: Handle::current(), slot: Locked::new(slot) };
        Ok(Self { address, line: Arc::new(line) })
    }

    /// Host and port, path, or sentinels and name; without the credentials of the URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address that a connection to `url` would have; `?` if the URL is wrong.
    #[must_use]
    pub fn address_of(url: &SecretString) -> String {
        Route::parse(url.expose_secret()).map_or_else(|_| "?".to_owned(), |route| route.address())
    }

    /// The server as it was when it was connected to.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] if there is no connection.
    pub async fn report(&self) -> Result<ServerReport, EngineError> {
        match timeout(RESPONSE_TIMEOUT, self.line.link()).await {
            Ok(link) => Ok(link.map_err(failure::not_connected)?.report.clone()),
            Err(_) => Err(failure::timed_out()),
        }
    }

    /// Gives up the present link, so that the next request resolves the name, or asks the sentinels, anew.
    pub(super) fn reconnect(&self, reason: &str) {
        let link = match &self.line.slot.lock().state {
            State::Linked(link) => Arc::clone(link),
            State::Connecting(_) | State::Idle { .. } => return,
        };
        self.line.give_up(&link, reason);
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
        let line = &self.line;
        let mut last = None;
        let answer = async {
            let mut resends = RESENDS;
            loop {
                let link = line.link().await.map_err(failure::not_connected)?;
                last = Some(Arc::clone(&link));
                let answer = request.send(&link).await;
                match &answer {
                    Err(error) if must_replace(&answer) => line.give_up(&link, &error.to_string()),
                    // Another server may have taken this one's place, so its answer is not believed.
                    _ if link.is_given_up() => {}
                    _ => {
                        line.record_answer(&link);
                        return answer.map_err(failure::engine_error);
                    }
                }
                if resends == 0 {
                    return Err(answer.map_or_else(failure::engine_error, |_| failure::timed_out()));
                }
                resends -= 1;
            }
        };
        if let Ok(answer) = timeout(RESPONSE_TIMEOUT, answer).await {
            return answer;
        }
        if let Some(link) = last.filter(|link| link.record_timeout()) {
            line.give_up(&link, "it did not answer in time");
        }
        Err(failure::timed_out())
    }
}

impl Line {
    /// The current link. The first request without one begins an attempt to connect, which goes on if the request ends.
    async fn link(self: &Arc<Self>) -> Result<Arc<Link>, Arc<ConnectError>> {
        let attempt = {
            let mut slot = self.slot.lock();
            match &slot.state {
                State::Linked(link) => return Ok(Arc::clone(link)),
                State::Connecting(attempt) => attempt.clone(),
                State::Idle { after } => {
                    let attempt = Arc::clone(self).attempt(*after).boxed().shared();
                    slot.state = State::Connecting(attempt.clone());
                    self.runtime.spawn(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }

    async fn attempt(self: Arc<Self>, after: Instant) -> Result<Arc<Link>, Arc<ConnectError>> {
        sleep_until(after.into()).await;
        let result = Link::open(&self.route, self.policy).await.map(Arc::new).map_err(Arc::new);
        let mut slot = self.slot.lock();
        slot.state = match &result {
            Ok(link) => {
                tracing::info!(address = %link.address, run_id = %link.report.run_id, "connected to Redis again");
                slot.logged = None;
                State::Linked(Arc::clone(link))
            }
            Err(error) => {
                let text = error.to_string();
                if slot.logged.as_ref() != Some(&text) {
                    tracing::warn!(error = %text, "no Redis to use: nothing is issued; trying again");
                    slot.logged = Some(text);
                }
                State::Idle { after: Instant::now() + slot.retry.wait() }
            }
        };
        result
    }

    fn record_answer(&self, link: &Link) {
        if link.record_answer() {
            let mut slot = self.slot.lock();
            slot.is_searching = false;
            slot.retry.reset();
        }
    }

    /// Drops `link`, unless it has been replaced already.
    fn give_up(&self, link: &Arc<Link>, reason: &str) {
        let mut slot = self.slot.lock();
        if !matches!(&slot.state, State::Linked(current) if Arc::ptr_eq(current, link)) {
            return;
        }
        link.mark_given_up();
        tracing::warn!(address = %link.address, reason, "gave up the connection to Redis: looking for the primary anew");
        // The first replacement is made at once; links that never answer are replaced with pauses.
        let was_searching = std::mem::replace(&mut slot.is_searching, true);
        let wait = if was_searching { slot.retry.wait() } else { Duration::ZERO };
        slot.state = State::Idle { after: Instant::now() + wait };
    }
}

/// A request that is safe to repeat.
#[derive(Clone, Copy)]
enum Request<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Request<'_> {
    async fn send(self, link: &Link) -> RedisResult<Value> {
        let mut connection = link.connection.clone();
        match self {
            Self::Script(script) => script.invoke_async(&mut connection).await,
            Self::Command(command) => command.query_async(&mut connection).await,
        }
    }
}
