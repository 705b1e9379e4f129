//! The publishing side of RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::timed_out;
use super::errors::BrokerError;
use super::link::{Link, Links};
use super::publish_batch::{self, OutgoingMessage};
use super::publish_span;
use super::settings::RabbitSettings;
use super::topology::Topology;
use crate::ports::{BusError, CouponIssued, EventBus};
use crate::telemetry::Destination;

/// Upper limit of concurrent batches, each on a channel of its own.
const MAX_BATCHES: u32 = 16;

/// A bus on one connection, which is opened on first use and again after a loss.
#[derive(Debug)]
pub struct RabbitBus {
    publisher: Arc<Publisher>,
    slots: Arc<Semaphore>,
    reply_timeout: Duration,
    exchange: Destination,
}

/// State of the task that publishes a batch, which may outlive the caller.
#[derive(Debug)]
struct Publisher {
    links: Links,
    reply_timeout: Duration,
}

impl RabbitBus {
    /// A bus without a connection.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        let reply_timeout = settings.reply_timeout();
        let exchange = Topology::new(settings.namespace.clone()).issuances();
        let exchange = Destination { system: "rabbitmq", name: exchange.into() };
        let publisher =
            Arc::new(Publisher { links: Links::new(settings, "openrun publisher"), reply_timeout });
        Self { publisher, slots: Arc::new(Semaphore::new(MAX_BATCHES as usize)), reply_timeout, exchange }
    }

    /// Connects and declares the topology, unless connected.
    ///
    /// # Errors
    /// [`BrokerError`] describes the fault of the settings or the broker in one sentence.
    pub async fn connect(&self) -> Result<(), BrokerError> {
        self.publisher.links.current().await.map(|_| ())
    }
}

impl Publisher {
    async fn publish(&self, messages: &[OutgoingMessage]) -> Result<(), BusError> {
        let link = self.links.current().await.map_err(unavailable)?;
        let published = self.publish_on(&link, messages).await;
        self.record_outcome(&link, published).await
    }

    async fn backlog(&self) -> Result<u64, BusError> {
        let link = self.links.current().await.map_err(unavailable)?;
        let read = async {
            let channel = link.channel().await?;
            let backlog = link.session.backlog(&channel).await?;
            link.release(channel);
            Ok(backlog)
        };
        let backlog = read.await.map_err(unavailable);
        self.record_outcome(&link, backlog).await
    }

    /// Publishes on a channel that returns to the idle ones only after a success.
    async fn publish_on(&self, link: &Link, messages: &[OutgoingMessage]) -> Result<(), BusError> {
        let channel = link.channel().await.map_err(unavailable)?;
        let exchange = link.session.topology.issuances();
        timeout(self.reply_timeout, publish_batch::publish(&channel, &exchange, messages))
            .await
            .unwrap_or_else(|_| Err(unavailable(timed_out(self.reply_timeout, "confirming a batch"))))?;
        link.release(channel);
        Ok(())
    }

    /// Every failure ends the connection: the next one declares the topology anew, which restores deleted exchanges and
    /// queues.
    async fn record_outcome<T>(&self, link: &Arc<Link>, outcome: Result<T, BusError>) -> Result<T, BusError> {
        match &outcome {
            Ok(_) => self.links.succeeded().await,
            Err(error) => self.links.failed(link, error.to_string()).await,
        }
        outcome
    }
}

impl RabbitBus {
    async fn send(&self, events: &[CouponIssued]) -> Result<(), BusError> {
        // Running batches are bounded, so a slot becomes free, but not necessarily within this bound.
        let slot = timeout(self.reply_timeout, Arc::clone(&self.slots).acquire_owned())
            .await
            .map_err(|_| unavailable(timed_out(self.reply_timeout, "waiting for a publish slot")))?
            .map_err(|_| unavailable(BrokerError::Closed))?;
        let messages = publish_batch::messages(events);
        let publisher = Arc::clone(&self.publisher);
        // A task of its own: a caller that is cancelled must not stop in the middle of a message, for which the broker
        // would close the connection of all batches.
        let task = tokio::spawn(async move {
            let published = publisher.publish(&messages).await;
            drop(slot);
            published
        });
        task.await.unwrap_or_else(|error| Err(BusError::Unavailable(error.into())))
    }
}

#[async_trait]
impl EventBus for RabbitBus {
    async fn publish(&self, events: &[CouponIssued]) -> Result<(), BusError> {
        if events.is_empty() {
            return Ok(());
        }
        let Some(span) = publish_span::begin(&self.exchange, events) else { return self.send(events).await };
        let sent = span.run(self.send(&publish_span::continue_traces(events, &span))).await;
        if let Err(error) = &sent {
            span.failed(error.kind(), &error.to_string());
        }
        sent
    }

    async fn backlog(&self) -> Result<u64, BusError> {
        self.publisher.backlog().await
    }

    async fn close(&self) {
        // Running batches end first, and no other begins.
        let all_slots = self.slots.acquire_many(MAX_BATCHES);
        timeout(self.reply_timeout, all_slots).await.ok();
        self.slots.close();
        if let Some(link) = self.publisher.links.close().await {
            link.session.close().await.ok();
        }
    }
}

fn unavailable(error: BrokerError) -> BusError {
    BusError::Unavailable(error.into())
}
