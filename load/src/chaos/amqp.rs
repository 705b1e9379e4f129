//! The run's own calls to the broker: it counts, reads, purges, deletes, unbinds and plants messages.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde::Deserialize;

use super::testbed::{NAMESPACE, TestBed, amqp_url};

const ROUTING_KEY: &str = "coupon.issued";
const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Pause before a queue that looks empty is read again.
const EMPTY_RECHECK: Duration = Duration::from_millis(100);
/// AMQP's delivery mode for messages on disk.
const PERSISTENT: u8 = 2;

pub(super) fn issuances() -> String {
    format!("{NAMESPACE}.issuances")
}

/// The exchange and the queue of dead letters.
pub(super) fn dead_letters() -> String {
    format!("{NAMESPACE}.dead-letters")
}

/// A direct connection, not through a proxy.
pub(super) struct Broker {
    // Drop order.
    channel: Channel,
    _connection: Connection,
}

/// The relevant fields of a message with one event or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    One(Event),
    Several(Vec<Event>),
}

#[derive(Deserialize)]
struct Event {
    data: Issuance,
}

#[derive(Deserialize)]
struct Issuance {
    coupon_id: String,
    sequence: u32,
}

fn text(error: impl std::fmt::Display) -> String {
    format!("RabbitMQ: {error}")
}

impl Broker {
    pub(super) async fn connect(testbed: &TestBed) -> Result<Self, String> {
        let url = amqp_url(testbed.rabbitmq.port());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.map_err(text)?;
        let channel = connection.create_channel().await.map_err(text)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(text)?;
        Ok(Self { channel, _connection: connection })
    }

    /// Messages in a queue, without those in flight. Each has one issuance or several.
    pub(super) async fn waiting(&self, queue: &str) -> Result<u64, String> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        declared.map(|queue| queue.message_count().into()).map_err(text)
    }

    pub(super) async fn purge(&self, queue: &str) -> Result<(), String> {
        self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop).map_err(text)
    }

    pub(super) async fn delete(&self, queue: &str) -> Result<(), String> {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map(drop).map_err(text)
    }

    /// Removes the binding of the queue of issuances.
    pub(super) async fn unbind(&self) -> Result<(), String> {
        let name = issuances();
        let unbound = self.channel.queue_unbind(
            name.as_str().into(),
            name.as_str().into(),
            ROUTING_KEY.into(),
            FieldTable::default(),
        );
        unbound.await.map_err(text)
    }

    /// Coupon and sequence of the issuances in the queue. The messages return when the connection ends.
    pub(super) async fn issuances_waiting(self) -> Result<BTreeSet<(String, u32)>, String> {
        let mut found = BTreeSet::new();
        self.each(&issuances(), |payload| {
            let events = match serde_json::from_slice(payload) {
                Ok(Message::One(event)) => vec![event],
                Ok(Message::Several(events)) => events,
                Err(_) => Vec::new(),
            };
            found.extend(events.into_iter().map(|Event { data }| (data.coupon_id, data.sequence)));
        })
        .await?;
        Ok(found)
    }

    /// The payloads of the messages in the queue. The messages return when the connection ends.
    pub(super) async fn texts(self, queue: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        self.each(queue, |payload| found.push(String::from_utf8_lossy(payload).into_owned())).await?;
        Ok(found)
    }

    /// Reads until the queue is empty twice in a row: a quorum queue looks empty for a moment while messages return to
    /// it.
    async fn each(&self, queue: &str, mut visit: impl FnMut(&[u8])) -> Result<(), String> {
        let mut empty_reads = 0;
        while empty_reads < 2 {
            let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            if let Some(message) = got.map_err(text)? {
                visit(&message.delivery.data);
                empty_reads = 0;
            } else {
                empty_reads += 1;
                tokio::time::sleep(EMPTY_RECHECK).await;
            }
        }
        Ok(())
    }

    /// Publishes a message as a node would.
    pub(super) async fn publish(&self, payload: &[u8]) -> Result<(), String> {
        let properties =
            BasicProperties::default().with_delivery_mode(PERSISTENT).with_content_type(CONTENT_TYPE.into());
        let options = BasicPublishOptions::default();
        let exchange = issuances();
        let sent = self.channel.basic_publish(
            exchange.as_str().into(),
            ROUTING_KEY.into(),
            options,
            payload,
            properties,
        );
        sent.await.map_err(text)?.await.map(drop).map_err(text)
    }
}
