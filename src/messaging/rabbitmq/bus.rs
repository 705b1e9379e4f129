//! Publishing issuances to RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::errors::BrokerError;
use super::link::{Link, Links};
use super::publish_batch::{self, OutgoingMessage};
use super::publish_span;
use super::settings::RabbitSettings;
use super::topology::Topology;
use crate::ports::{BusError, CouponIssued, EventBus};
use crate::telemetry::Destination;

/// The most windows on their way at a time, each on a channel of its own; more wait for a turn.
const MAX_WINDOWS: u32 = 16;

/// The bus on one connection, which it opens when it is first needed and again when it was lost.
#[derive(Debug)]
pub struct RabbitBus {
    wire: Arc<Wire>,
    turns: Arc<Semaphore>,
    reply_timeout: Duration,
    exchange: Destination,
}

/// What a window under way needs, even when nobody waits for it any more.
#[derive(Debug)]
struct Wire {
    links: Links,
    reply_timeout: Duration,
}

impl RabbitBus {
    /// A bus that has not connected yet.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        let reply_timeout = settings.reply_timeout();
        let exchange = Topology::new(settings.namespace.clone()).issuances();
        let exchange = Destination { system: "rabbitmq", name: exchange.into() };
        let wire = Arc::new(Wire { links: Links::new(settings, "openrun publisher"), reply_timeout });
        Self { wire, turns: Arc::new(Semaphore::new(MAX_WINDOWS as usize)), reply_timeout, exchange }
    }

    /// Connects and declares the topology, unless that has been done.
    ///
    /// # Errors
    /// [`BrokerError`] says in one sentence what is wrong with the settings or the broker.
    pub async fn connect(&self) -> Result<(), BrokerError> {
        self.wire.links.current().await.map(|_| ())
    }
}

impl Wire {
    async fn publish(&self, window: &[OutgoingMessage]) -> Result<(), BusError> {
        let link = self.links.current().await.map_err(unavailable)?;
        let done = self.publish_on(&link, window).await;
        self.settle(&link, done).await
    }

    async fn backlog(&self) -> Result<u64, BusError> {
        let link = self.links.current().await.map_err(unavailable)?;
        let asked = async {
            let channel = link.channel().await?;
            let backlog = link.session.backlog(&channel).await?;
            link.release(channel);
            Ok(backlog)
        };
        let done = asked.await.map_err(unavailable);
        self.settle(&link, done).await
    }

    /// Publishes on a channel that is dropped unless everything went well.
    async fn publish_on(&self, link: &Link, window: &[OutgoingMessage]) -> Result<(), BusError> {
        let channel = link.channel().await.map_err(unavailable)?;
        let exchange = link.session.topology.issuances();
        timeout(self.reply_timeout, publish_batch::publish(&channel, &exchange, window))
            .await
            .unwrap_or_else(|_| Err(timed_out(self.reply_timeout, "confirming a window")))?;
        link.release(channel);
        Ok(())
    }

    /// A failure ends the connection, whatever it was: the next one declares the topology anew, which also repairs what
    /// somebody has deleted.
    async fn settle<T>(&self, link: &Arc<Link>, done: Result<T, BusError>) -> Result<T, BusError> {
        match &done {
            Ok(_) => self.links.succeeded().await,
            Err(error) => self.links.failed(link, error.to_string()).await,
        }
        done
    }
}

impl RabbitBus {
    async fn send(&self, window: &[CouponIssued]) -> Result<(), BusError> {
        // Each window is bounded, so that a turn comes; but not necessarily in time for this one.
        let turn = timeout(self.reply_timeout, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn
            .map_err(|_| timed_out(self.reply_timeout, "waiting for a turn"))?
            .map_err(|_| unavailable(BrokerError::Closed))?;
        let window = publish_batch::messages(window);
        let wire = Arc::clone(&self.wire);
        // A window of which half was written would leave the connection in the middle of a message, and the broker
        // would end it for everybody: who stops waiting does not stop the window.
        let whole = tokio::spawn(async move {
            let done = wire.publish(&window).await;
            drop(turn);
            done
        });
        whole.await.unwrap_or_else(|ended| Err(BusError::Unavailable(ended.into())))
    }
}

#[async_trait]
impl EventBus for RabbitBus {
    async fn publish(&self, window: &[CouponIssued]) -> Result<(), BusError> {
        if window.is_empty() {
            return Ok(());
        }
        let Some(span) = publish_span::begin(&self.exchange, window) else { return self.send(window).await };
        let sent = span.run(self.send(&publish_span::continue_traces(window, &span))).await;
        if let Err(error) = &sent {
            span.failed(error.kind(), &error.to_string());
        }
        sent
    }

    async fn backlog(&self) -> Result<u64, BusError> {
        self.wire.backlog().await
    }

    async fn close(&self) {
        // Windows on their way end first; nobody begins another.
        let everybody = self.turns.acquire_many(MAX_WINDOWS);
        timeout(self.reply_timeout, everybody).await.ok();
        self.turns.close();
        if let Some(link) = self.wire.links.close().await {
            link.session.goodbye().await.ok();
        }
    }
}

fn unavailable(error: BrokerError) -> BusError {
    BusError::Unavailable(error.into())
}

fn timed_out(after: Duration, what: &'static str) -> BusError {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    unavailable(BrokerError::TimedOut { what, after_ms })
}
