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
/// By which a message finds the queue.
pub(super) const ROUTING_KEY: &str = "coupon.issued";

/// The names of one namespace.
///
/// `{ns}.issuances` (exchange, direct) leads to `{ns}.issuances` (quorum queue); what is rejected there or came back too
/// often goes through `{ns}.dead-letters` (exchange, fanout) to `{ns}.dead-letters` (quorum queue), and leaves the first
/// queue only when the second has it.
///
/// There is no alternate exchange on purpose: it would take a message that nobody will read, and the broker would
/// confirm it. Every message is published `mandatory` instead, so that the publisher learns of it and declares anew.
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
    exchange(channel, &dead_letters, ExchangeKind::Fanout).await?;
    queue(channel, &dead_letters, quorum()).await?;
    exchange(channel, &issuances, ExchangeKind::Direct).await?;
    queue(channel, &issuances, with_dead_letters(quorum(), &dead_letters)).await?;
    bind(channel, &dead_letters, "").await?;
    bind(channel, &issuances, ROUTING_KEY).await
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
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
    arguments
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await;
    declared.map_err(|error| errors::declaring(error, &format!("the exchange {name}")))
}

async fn queue(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), BrokerError> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(name.into(), options, arguments).await;
    declared.map(|_| ()).map_err(|error| errors::declaring(error, &format!("the queue {name}")))
}

/// Binds the queue to the exchange of the same name.
async fn bind(channel: &Channel, name: &str, key: &str) -> Result<(), BrokerError> {
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    let bound = channel.queue_bind(name.into(), name.into(), key.into(), options, arguments).await;
    bound.map_err(|error| errors::declaring(error, &format!("the binding of {name}")))
}
