//! Events to publish, a namespace of one's own, and a second client that does what openrun does not.

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
/// Longer than anything takes that is going to happen.
const PATIENCE: Duration = Duration::from_secs(15);

/// A namespace of one's own on a broker.
pub(crate) struct Stage {
    pub(crate) settings: RabbitSettings,
    pub(crate) names: Topology,
}

impl Stage {
    /// On the broker of the run.
    pub(crate) fn shared() -> Self {
        Self::on(&shared::amqp_url())
    }

    /// On the broker at `url`, with waits that suit a test.
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

    /// A bus that is connected and has declared everything.
    pub(crate) async fn ready_bus(&self) -> RabbitBus {
        let bus = self.bus();
        bus.connect().await.expect("the broker is there");
        bus
    }

    pub(crate) async fn stream(&self, prefetch: u16) -> impl EventStream + use<> {
        RabbitSource::new(self.settings.clone()).stream(prefetch).await.expect("the broker is there")
    }

    pub(crate) async fn hand(&self) -> Hand {
        Hand::on(secrecy::ExposeSecret::expose_secret(&self.settings.url)).await
    }
}

/// A client that is not openrun.
pub(crate) struct Hand {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl Hand {
    async fn on(url: &str) -> Self {
        let connection =
            Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is there");
        let channel = connection.create_channel().await.expect("a channel can be opened");
        let confirming = channel.confirm_select(ConfirmSelectOptions::default()).await;
        confirming.expect("the broker confirms");
        Self { channel, _connection: connection }
    }

    /// Publishes `payload` to the queue as it is.
    pub(crate) async fn publish(&self, queue: &str, payload: &[u8]) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = self.channel.basic_publish("".into(), queue.into(), options, payload, properties).await;
        sent.expect("it is sent").await.expect("it is taken");
    }

    /// Takes the next message out of the queue, if there is one.
    pub(crate) async fn take(&self, queue: &str) -> Option<lapin::message::Delivery> {
        let taken = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await;
        taken.expect("the queue is there").map(|message| message.delivery)
    }

    /// Takes the message out of the queue and puts it back, as readers that die do, until the broker gives it up and
    /// puts it among the dead ones. A queue that looks empty may have it on its way back.
    pub(crate) async fn give_back_until_given_up(&self, queue: &str, dead: &str) {
        let begun = Instant::now();
        while self.ready(dead).await == 0 {
            assert!(begun.elapsed() < PATIENCE, "the broker never gave it up");
            let taken = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            let Some(message) = taken.expect("the queue is there") else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            message.delivery.acker.nack(back).await.expect("the channel is open");
        }
    }

    /// How many messages are ready in the queue.
    async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        found.expect("the queue is there").message_count()
    }

    /// Waits until so many messages are ready in the queue.
    pub(crate) async fn until_ready(&self, queue: &str, count: u32) {
        let begun = Instant::now();
        loop {
            let found = self.ready(queue).await;
            if found == count {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{queue} has {found} messages ready and not {count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The event that `member` got the coupon with this sequence.
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

pub(crate) fn window(sequences: impl IntoIterator<Item = Sequence>) -> Vec<CouponIssued> {
    sequences.into_iter().map(event).collect()
}

/// Publishes each of these in a message of its own.
pub(crate) async fn publish_each(bus: &RabbitBus, sequences: impl IntoIterator<Item = Sequence>) {
    for sequence in sequences {
        bus.publish(&window([sequence])).await.expect("it is confirmed");
    }
}

/// The next delivery, which has to come.
pub(crate) async fn next(stream: &mut impl EventStream) -> Delivery {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await;
    next.expect("a delivery is on its way").expect("the stream lives")
}

/// Makes sure that there is no delivery.
pub(crate) async fn nothing(stream: &mut impl EventStream) {
    let next = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(next.is_err(), "{next:?}");
}

/// Publishes until it succeeds. Nothing but [`BusError::Unavailable`] may come before.
pub(crate) async fn publishes_again(bus: &RabbitBus, window: &[CouponIssued]) {
    let begun = Instant::now();
    while let Err(error) = bus.publish(window).await {
        assert!(matches!(error, BusError::Unavailable(_)), "{error}");
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
