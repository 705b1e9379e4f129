//! Events to publish, a namespace for each test, and a client that does what openrun does not.

use std::time::{Duration, Instant};

use lapin::options::{
    BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use openrun::domain::{
    CodeSalt, CouponId, IssuanceStatus, IssuedCoupon, MemberId, Sequence, Timestamp, Traceparent,
};
use openrun::messaging::rabbitmq::{Namespace, RabbitBus, RabbitSettings, RabbitSource, Topology};
use openrun::ports::{BusError, CouponIssued, Delivery, EventBus, EventStream};

use crate::support::shared;

pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Longer than any awaited event takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// A namespace of one test on a broker.
pub(crate) struct Stage {
    pub(crate) settings: RabbitSettings,
    pub(crate) names: Topology,
}

impl Stage {
    /// On the broker that all tests share.
    pub(crate) fn shared() -> Self {
        Self::on(&shared::amqp_url())
    }

    /// On the broker at `url`, with timeouts that suit a test.
    pub(crate) fn on(url: &str) -> Self {
        let namespace = Namespace::parse(&shared::amqp_namespace()).expect("it is valid");
        let names = Topology::new(namespace.clone());
        let settings = RabbitSettings {
            namespace,
            connect_timeout_ms: 3_000,
            reply_timeout_ms: 3_000,
            ..RabbitSettings::new(url.to_owned().into())
        };
        Self { settings, names }
    }

    pub(crate) fn bus(&self) -> RabbitBus {
        RabbitBus::new(self.settings.clone())
    }

    /// A connected bus, which has declared the topology.
    pub(crate) async fn ready_bus(&self) -> RabbitBus {
        let bus = self.bus();
        bus.connect().await.expect("the broker answers");
        bus
    }

    pub(crate) async fn stream(&self, prefetch: u16) -> impl EventStream + use<> {
        RabbitSource::new(self.settings.clone()).stream(prefetch).await.expect("the broker answers")
    }

    pub(crate) async fn hand(&self) -> Hand {
        Hand::on(secrecy::ExposeSecret::expose_secret(&self.settings.url)).await
    }
}

/// A client other than openrun.
pub(crate) struct Hand {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl Hand {
    async fn on(url: &str) -> Self {
        let connection =
            Connection::connect(url, ConnectionProperties::default()).await.expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel can be opened");
        let confirming = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirming.expect("the broker confirms");
        Self { channel, _connection: connection }
    }

    /// Publishes `payload` to the queue without properties.
    pub(crate) async fn publish(&self, queue: &str, payload: &[u8]) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = self.channel.basic_publish("".into(), queue.into(), options, payload, properties).await;
        sent.expect("it is sent").await.expect("it is confirmed");
    }

    /// Removes the next message from the queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<lapin::message::Delivery> {
        let taken = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await;
        taken.expect("the queue exists").map(|message| message.delivery)
    }

    /// Fetches and requeues the message, as consumers that die do, until the broker dead-letters it. The queue may look
    /// empty while the message is on its way nack.
    pub(crate) async fn requeue_until_dead(&self, queue: &str, dead: &str) {
        let started = Instant::now();
        while self.ready(dead).await == 0 {
            assert!(started.elapsed() < PATIENCE, "the broker never dead-lettered it");
            let taken = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            let Some(message) = taken.expect("the queue exists") else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let nack = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            message.delivery.acker.nack(nack).await.expect("the channel is open");
        }
    }

    async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        found.expect("the queue exists").message_count()
    }

    /// Waits until exactly `count` messages are ready in the queue.
    pub(crate) async fn until_ready(&self, queue: &str, count: u32) {
        let started = Instant::now();
        loop {
            let found = self.ready(queue).await;
            if found == count {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{queue} has {found} messages ready and not {count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The event that `member-{sequence}` got the coupon with this sequence.
pub(crate) fn event(sequence: Sequence) -> CouponIssued {
    let coupon_id = CouponId::parse("drop").expect("it is valid");
    let member_id = MemberId::parse(&format!("member-{sequence}")).expect("it is valid");
    let code = CodeSalt::from_bytes([7; 32]).code(&coupon_id, &member_id);
    let issued_at = Timestamp::from_ms(1_795_226_400_000 + i64::from(sequence));
    CouponIssued {
        issuance: IssuedCoupon {
            coupon_id,
            member_id,
            sequence,
            code,
            status: IssuanceStatus::Unused,
            issued_at,
        },
        traceparent: Traceparent::parse(TRACE),
    }
}

pub(crate) fn events(sequences: impl IntoIterator<Item = Sequence>) -> Vec<CouponIssued> {
    sequences.into_iter().map(event).collect()
}

/// Publishes each event in a message of its own.
pub(crate) async fn publish_each(bus: &RabbitBus, sequences: impl IntoIterator<Item = Sequence>) {
    for sequence in sequences {
        bus.publish(&events([sequence])).await.expect("it is confirmed");
    }
}

/// Waits for the next delivery.
pub(crate) async fn next(stream: &mut impl EventStream) -> Delivery {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await;
    next.expect("a delivery arrives").expect("the stream is open")
}

/// Checks that no delivery arrives.
pub(crate) async fn nothing(stream: &mut impl EventStream) {
    let next = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(next.is_err(), "{next:?}");
}

/// Publishes until it succeeds. No error but [`BusError::Unavailable`] may occur before.
pub(crate) async fn publishes_again(bus: &RabbitBus, events: &[CouponIssued]) {
    let started = Instant::now();
    while let Err(error) = bus.publish(events).await {
        assert!(matches!(error, BusError::Unavailable(_)), "{error}");
        assert!(started.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
