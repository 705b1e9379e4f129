//! The exchanges and queues on the broker. Every connection declares them, so that they have the right arguments and
//! are restored after a deletion.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::errors::{self, BrokerError};
use super::settings::Namespace;

/// Deliveries of a message before the broker dead-letters it. Persisters keep their messages while the database is
/// down, so that many redeliveries mean a message that kills its consumer.
const DELIVERY_LIMIT: i64 = 50;
/// The same for dead letters, in effect unlimited, because every operator's call redelivers them. RabbitMQ 4 has a
/// limit of 20 by default, and RabbitMQ 3 has no value for "unlimited". A limit also makes the queue return a letter to
/// its head; without a limit it returns to the end.
const LETTERS_DELIVERY_LIMIT: i64 = i32::MAX as i64;
/// Routing key of every issuance.
pub(super) const ROUTING_KEY: &str = "coupon.issued";

/// The names of exchanges and queues in one namespace.
///
/// `{ns}.issuances` (exchange, direct) routes to `{ns}.issuances` (quorum queue). Messages that can never be written or
/// were redelivered too often go through `{ns}.dead-letters` (exchange, fanout) to `{ns}.dead-letters` (quorum queue),
/// and leave the first queue only when the second has them.
///
/// Messages that the first exchange cannot route (the binding is deleted, or a foreign publisher uses another key
/// without `mandatory`) go to its alternate exchange `{ns}.unrouted` (fanout), a second route to the *same* queue. A
/// separate queue without consumers would swallow such messages with a confirm, and the publisher would not see them
/// returned. So a message either reaches the persisters, which judge it, or the queue is unreachable: then `mandatory`
/// returns it, and the publisher declares the topology again.
///
/// The broker refuses a declaration that differs from an existing exchange or queue, and the node does not start.
#[derive(Debug, Clone)]
pub struct Topology {
    namespace: Namespace,
}

impl Topology {
    /// The names within `namespace`.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    /// The exchange for issuances, and the queue that persisters consume.
    #[must_use]
    pub fn issuances(&self) -> String {
        format!("{}.issuances", self.namespace)
    }

    /// The alternate exchange of issuances.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.namespace)
    }

    /// The exclusive queue that locks the dead letters.
    pub(super) fn letters_lock(&self) -> String {
        format!("{}.dead-letters.turn", self.namespace)
    }

    /// The exchange and the queue of dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        format!("{}.dead-letters", self.namespace)
    }
}

/// Declares all exchanges, queues and bindings. Idempotent.
///
/// # Errors
/// [`BrokerError::Differs`] names an existing exchange or queue with other arguments. After an error the channel is
/// closed.
pub async fn declare(channel: &Channel, topology: &Topology) -> Result<(), BrokerError> {
    let (issuances, dead_letters) = (topology.issuances(), topology.dead_letters());
    let unrouted = topology.unrouted();
    exchange(channel, &dead_letters, ExchangeKind::Fanout, FieldTable::default()).await?;
    queue(channel, &dead_letters, with_limit(quorum(), LETTERS_DELIVERY_LIMIT)).await?;
    exchange(channel, &unrouted, ExchangeKind::Fanout, FieldTable::default()).await?;
    exchange(channel, &issuances, ExchangeKind::Direct, with_alternate(&unrouted)).await?;
    queue(channel, &issuances, with_dead_letters(quorum(), &dead_letters)).await?;
    bind(channel, &dead_letters, &dead_letters, "").await?;
    bind(channel, &issuances, &unrouted, "").await?;
    bind(channel, &issuances, &issuances, ROUTING_KEY).await
}

/// A quorum queue: replicated on a cluster, and synced to disk before a confirm.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// At-least-once dead-lettering requires this overflow setting; the queue has no length limit that could overflow.
fn with_dead_letters(mut arguments: FieldTable, exchange: &str) -> FieldTable {
    for (key, value) in [
        ("x-dead-letter-exchange", exchange),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    with_limit(arguments, DELIVERY_LIMIT)
}

fn with_limit(mut arguments: FieldTable, limit: i64) -> FieldTable {
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(limit));
    arguments
}

fn with_alternate(exchange: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), AMQPValue::LongString(exchange.into()));
    arguments
}

async fn exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), kind, options, arguments).await;
    declared.map_err(|error| errors::declaring(error, &format!("the exchange {name}")))
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(name.into(), options, arguments).await;
    declared.map(|_| ()).map_err(|error| errors::declaring(error, &format!("the queue {name}")))
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), BrokerError> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    let bound = channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments).await;
    bound.map_err(|error| errors::declaring(error, &format!("the binding of {queue}")))
}
