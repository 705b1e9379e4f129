//! What the run itself does on the broker: it counts, reads, empties, deletes, unbinds and plants.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde::Deserialize;

use super::arena::{Arena, NAMESPACE, amqp_url};

const ROUTING_KEY: &str = "coupon.issued";
const CONTENT_TYPE: &str = "application/cloudevents+json";
/// How long a queue that looks empty is given.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// AMQP's word for what is written to disk.
const PERSISTENT: u8 = 2;

/// The exchange and the queue of issuances.
pub(super) fn issuances() -> String {
    format!("{NAMESPACE}.issuances")
}

/// The exchange and the queue of what could not be kept.
pub(super) fn dead_letters() -> String {
    format!("{NAMESPACE}.dead-letters")
}

/// A connection of the run's own, which goes through no proxy.
pub(super) struct Broker {
    // Fields are dropped in this order.
    channel: Channel,
    _connection: Connection,
}

/// What a message says, as far as it matters here: one event, or several.
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
    pub(super) async fn connect(arena: &Arena) -> Result<Self, String> {
        let url = amqp_url(arena.rabbitmq.port());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.map_err(text)?;
        let channel = connection.create_channel().await.map_err(text)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(text)?;
        Ok(Self { channel, _connection: connection })
    }

    /// How many messages wait in a queue, without those in somebody's hands. Each is one issuance or several.
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

    /// Takes away the binding by which messages find the queue of issuances.
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

    /// Which issuances wait in the queue: coupon and sequence. They go back when the connection ends.
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

    /// What the messages in the queue say. They go back when the connection ends.
    pub(super) async fn texts(self, queue: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        self.each(queue, |payload| found.push(String::from_utf8_lossy(payload).into_owned())).await?;
        Ok(found)
    }

    /// A quorum queue into which something comes back looks empty for a moment: only what it says twice counts.
    async fn each(&self, queue: &str, mut see: impl FnMut(&[u8])) -> Result<(), String> {
        let mut looked_empty = 0;
        while looked_empty < 2 {
            let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            if let Some(message) = got.map_err(text)? {
                see(&message.delivery.data);
                looked_empty = 0;
            } else {
                looked_empty += 1;
                tokio::time::sleep(LOOKS_AGAIN_AFTER).await;
            }
        }
        Ok(())
    }

    /// Puts a message on the queue as a node would.
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
