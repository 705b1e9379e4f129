//! A connection of the bus or of whoever looks at the queues, which comes back by itself: one try at a time, and none before its wait is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::Channel;
use tokio::time::Instant;

use super::connection::{Session, within};
use super::errors::BrokerError;
use super::settings::RabbitSettings;
use crate::retry::Retry;

/// A session and the channels on it that are free.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) session: Session,
    /// In confirm mode, and without a message under way. A window never shares its channel: a returned message is
    /// attached to any confirm that comes next, which must not be another window's.
    idle: Mutex<Vec<Channel>>,
}

impl Link {
    /// A free channel, or a new one.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(channel) = idle {
            return Ok(channel);
        }
        self.session.confirming_channel().await
    }

    /// Takes a channel back on which everything was answered.
    pub(super) fn release(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }
}

#[derive(Debug)]
struct State {
    link: Option<Arc<Link>>,
    retry: Retry,
    /// Before this moment nobody tries to connect.
    not_before: Instant,
    /// What was wrong with the last try.
    last: String,
    closed: bool,
}

/// Hands out the one link, and makes another when it has failed.
#[derive(Debug)]
pub(super) struct Links {
    settings: RabbitSettings,
    /// By which the broker's operators know the connection.
    name: &'static str,
    /// Held while connecting, so that there is one try at a time and everybody else waits for its outcome.
    state: tokio::sync::Mutex<State>,
}

impl Links {
    pub(super) fn new(settings: RabbitSettings, name: &'static str) -> Self {
        let state = State {
            link: None,
            retry: Retry::reconnect(),
            not_before: Instant::now(),
            last: String::new(),
            closed: false,
        };
        Self { settings, name, state: tokio::sync::Mutex::new(state) }
    }

    /// The link that is open, or a new one; fails at once while the last failure is too fresh.
    pub(super) async fn current(&self) -> Result<Arc<Link>, BrokerError> {
        // Whoever holds the lock connects within its bound; twice that is for one who began just before us.
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
                return Err(BrokerError::BackingOff { wait_ms, last: state.last.clone() });
            }
            match Session::open(&self.settings, self.name).await {
                Ok(session) => {
                    let link = Arc::new(Link { session, idle: Mutex::default() });
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

    /// Says that `link` worked.
    pub(super) async fn succeeded(&self) {
        self.state.lock().await.retry.reset();
    }

    /// Says that `link` failed: it is cut, whoever else uses it fails too, and the next one waits a little.
    pub(super) async fn failed(&self, link: &Arc<Link>, why: String) {
        link.session.cut();
        let mut state = self.state.lock().await;
        if state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link)) {
            state.link = None;
            state.back_off(why);
        }
    }

    /// Lets nobody connect again, and gives back the last link.
    pub(super) async fn close(&self) -> Option<Arc<Link>> {
        let mut state = self.state.lock().await;
        state.closed = true;
        state.link.take()
    }
}

impl State {
    fn back_off(&mut self, why: String) {
        let wait: Duration = self.retry.wait();
        self.not_before = Instant::now() + wait;
        self.last = why;
    }
}
