//! The exchanges and queues on the broker, declared by code wherever a connection begins, so that they cannot drift and
//! come back by themselves when somebody deletes them.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::errors::{self, BrokerError};
use super::settings::Namespace;

/// How often a message may come back unacknowledged before it is dead-lettered. A database that is down burns none:
/// persisters hold on to what they have. So this many means a message that kills whoever reads it.
const DELIVERY_LIMIT: i64 = 50;
/// The same for dead letters, which are delivered whenever somebody looks at them: never. RabbitMQ 4 has a limit of 20
/// unless another is set, RabbitMQ 3 knows no word for none; and a queue with a limit puts a letter that comes back to its
/// head, one without puts it to its end.
const LETTERS_DELIVERY_LIMIT: i64 = i32::MAX as i64;
/// By which a message finds the queue.
pub(super) const ROUTING_KEY: &str = "coupon.issued";

/// The names of one namespace.
///
/// `{ns}.issuances` (exchange, direct) leads to `{ns}.issuances` (quorum queue); what can never be written or came back too
/// often goes through `{ns}.dead-letters` (exchange, fanout) to `{ns}.dead-letters` (quorum queue), and leaves the first
/// queue only when the second has it.
///
/// What the first exchange cannot route (its binding is gone, or somebody published with another key and without
/// `mandatory`) goes to its alternate exchange, `{ns}.unrouted` (fanout), which is a second way to the *same* queue. A
/// queue of its own would take messages that nobody reads, while the broker confirms them; and the publisher would not
/// see them returned. So either the message reaches the persisters, who judge it, or the queue cannot be reached at all:
/// then `mandatory` brings it back, and the publisher declares everything anew.
///
/// What exists with other arguments is not worked around: the broker refuses the declaration, and the node does not start.
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

    /// The exchange that is published to, and the queue that persisters read.
    #[must_use]
    pub fn issuances(&self) -> String {
        format!("{}.issuances", self.namespace)
    }

    /// The exchange for what the first one cannot route.
    #[must_use]
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.namespace)
    }

    /// The queue that whoever holds the dead letters declares as theirs alone.
    pub(super) fn turn(&self) -> String {
        format!("{}.dead-letters.turn", self.namespace)
    }

    /// The exchange and the queue of what could not be kept.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        format!("{}.dead-letters", self.namespace)
    }
}

/// Makes sure that everything is there as it should be. Idempotent.
///
/// # Errors
/// [`BrokerError::Differs`] names what exists and is something else. The channel is of no use after an error.
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

/// Replicated where there is more than one node, and synced to disk before a confirm.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// With the overflow that at-least-once dead-lettering asks for; there is no limit on length that could overflow.
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
