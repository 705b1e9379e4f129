//! A connection that is reopened on demand, by one attempt at a time and with a backoff between attempts.

use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use tokio::time::Instant;

use super::connection::{Session, within};
use super::errors::BrokerError;
use super::settings::RabbitSettings;
use crate::retry::Retry;
use crate::sync::Locked;

/// A session and its idle channels.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: Session,
    /// Channels in confirm mode without a message in flight. Each publish batch has a channel of its own, because the
    /// client attaches a returned message to the next confirm, which must not belong to another batch.
    idle: Locked<Vec<Channel>>,
}

impl Link {
    /// Takes an idle channel, or opens one.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let idle = self.idle.lock().pop();
        if let Some(channel) = idle {
            return Ok(channel);
        }
        self.session.confirming_channel().await
    }

    /// Returns a channel on which every message is confirmed.
    pub(super) fn release(&self, channel: Channel) {
        self.idle.lock().push(channel);
    }
}

#[derive(Debug)]
struct State {
    link: Option<Arc<Link>>,
    retry: Retry,
    /// Time of the next permitted attempt.
    not_before: Instant,
    last_error: String,
    closed: bool,
}

/// Opens the link when it is needed, and opens another after a failure.
#[derive(Debug)]
pub(super) struct Links {
    settings: RabbitSettings,
    /// Connection name in the broker's management pages.
    name: &'static str,
    /// Held while connecting: other callers wait for the outcome of the one attempt.
    state: tokio::sync::Mutex<State>,
}

impl Links {
    pub(super) fn new(settings: RabbitSettings, name: &'static str) -> Self {
        let state = State {
            link: None,
            retry: Retry::service(),
            not_before: Instant::now(),
            last_error: String::new(),
            closed: false,
        };
        Self { settings, name, state: tokio::sync::Mutex::new(state) }
    }

    /// The open link, or a new one. Fails at once during the backoff after a failure.
    pub(super) async fn current(&self) -> Result<Arc<Link>, BrokerError> {
        // The holder of the lock needs at most the connect timeout; one more is for this caller's own attempt.
        let bound = self.settings.connect_timeout() * 2;
        within(bound, "waiting for the connection", async {
            let mut state = self.state.lock().await;
            if state.closed {
                return Err(BrokerError::Closed);
            }
            if let Some(link) = state.link.take_if(|link| !link.session.is_open()) {
                link.session.cut();
            }
            if let Some(link) = &state.link {
                return Ok(Arc::clone(link));
            }
            let wait = state.not_before.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                return Err(BrokerError::BackingOff { wait_ms, last: state.last_error.clone() });
            }
            match Session::open(&self.settings, self.name).await {
                Ok(session) => {
                    let link = Arc::new(Link { session, idle: Locked::default() });
                    state.link = Some(Arc::clone(&link));
                    Ok(link)
                }
                Err(error) => {
                    state.back_off(error.to_string());
                    Err(error)
                }
            }
        })
        .await
    }

    /// Ends the backoff after a success.
    pub(super) async fn succeeded(&self) {
        self.state.lock().await.retry.reset();
    }

    /// Cuts a link that failed, for its other users as well, and begins a backoff.
    pub(super) async fn failed(&self, link: &Arc<Link>, error: String) {
        link.session.cut();
        let mut state = self.state.lock().await;
        if state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            state.link = None;
            state.back_off(error);
        }
    }

    /// Prevents further connections and returns the last link.
    pub(super) async fn close(&self) -> Option<Arc<Link>> {
        let mut state = self.state.lock().await;
        state.closed = true;
        state.link.take()
    }
}

impl State {
    fn back_off(&mut self, error: String) {
        let wait: Duration = self.retry.wait();
        self.not_before = Instant::now() + wait;
        self.last_error = error;
    }
}
