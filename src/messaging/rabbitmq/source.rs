//! Reading issuances from RabbitMQ.

use std::collections::VecDeque;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use tokio::time::timeout;

use super::ack_tracker::Parts;
use super::connection::Session;
use super::errors::BrokerError;
use super::letters::{letter_id, with_history};
use super::message::{self, batch};
use super::publish_batch::{self, OutgoingMessage};
use super::settings::RabbitSettings;
use crate::fault_injection::abort;
use crate::ports::{Delivery, DeliveryTag, EventSource, EventStream, LetterEventKind, SourceError};

/// Opens streams, each on a connection of its own, so that one that is lost takes no other with it.
#[derive(Debug, Clone)]
pub struct RabbitSource {
    settings: RabbitSettings,
}

impl RabbitSource {
    /// A source that connects when a stream is opened.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { settings }
    }

    /// The same as [`EventSource::open`], with the broker's own error.
    ///
    /// # Errors
    /// [`BrokerError`] says in one sentence what is wrong with the settings or the broker.
    pub async fn stream(&self, prefetch: u16) -> Result<RabbitStream, BrokerError> {
        let session = Session::open(&self.settings, "openrun persister").await?;
        let channel = session.channel().await?;
        // 0 would mean no limit at all.
        let qos = channel.basic_qos(prefetch.max(1), BasicQosOptions::default());
        session.bounded("limiting the prefetch", qos).await?;
        let consuming = channel.basic_consume(
            session.topology.issuances().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = session.bounded("starting to consume", consuming).await?;
        let (parts, unread) = (Parts::none(), VecDeque::new());
        Ok(RabbitStream { consumer, channel, burials: None, session, parts, unread })
    }
}

#[async_trait]
impl EventSource for RabbitSource {
    async fn open(&self, prefetch: u16) -> Result<Box<dyn EventStream>, SourceError> {
        let stream = self.stream(prefetch).await.map_err(lost)?;
        Ok(Box::new(stream))
    }
}

/// Deliveries of one consumer. It does not come back by itself: after an error its caller opens another.
#[derive(Debug)]
pub struct RabbitStream {
    // Fields are dropped in this order: the consumer before what it runs on.
    consumer: Consumer,
    channel: Channel,
    /// In confirm mode; opened when the first message has to be buried.
    burials: Option<Channel>,
    session: Session,
    /// What has arrived and was neither acknowledged nor rejected, with the messages as they came for those parts that
    /// have to be buried. As many messages as the prefetch allows.
    parts: Parts<Original>,
    /// Parts of the last message that are not handed out yet.
    unread: VecDeque<Delivery>,
}

/// A message as it came.
type Original = (Vec<u8>, BasicProperties);

#[async_trait]
impl EventStream for RabbitStream {
    async fn next(&mut self) -> Result<Delivery, SourceError> {
        loop {
            if let Some(delivery) = self.unread.pop_front() {
                return Ok(delivery);
            }
            // Nothing is awaited between a message's arrival and its parts being kept.
            match self.consumer.next().await {
                Some(Ok(message)) => self.receive(message),
                Some(Err(error)) => return Err(lost(error.into())),
                None => return Err(lost(BrokerError::Cancelled(self.session.topology.issuances()))),
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> Result<(), SourceError> {
        let frames = self.parts.answer(tags);
        let together = frames.together.map(|tag| (tag, true));
        for (tag, multiple) in together.into_iter().chain(frames.alone.into_iter().map(|tag| (tag, false))) {
            let acknowledged = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            self.session.bounded("acknowledging", acknowledged).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Publishes it to the dead letters together with the reason, and acknowledges it when the broker has confirmed that.
    /// `basic.reject` would lose the reason; a table for reasons would be a second thing that may be away. A crash in
    /// between makes a copy, which is no other letter (see `letters`).
    async fn reject(&mut self, tag: DeliveryTag, reason: &str) -> Result<Option<String>, SourceError> {
        let Some((original, place)) = self.parts.find(tag) else { return Ok(None) };
        let (payload, properties) = alone(original, place);
        let letter = letter_id(&properties, &payload);
        let properties = with_history(&properties, LetterEventKind::Rejected, reason);
        self.bury(OutgoingMessage::new(payload, properties)).await?;
        abort::visit(abort::BURIED);
        self.ack(&[tag]).await?;
        Ok(Some(letter))
    }
}

impl RabbitStream {
    fn receive(&mut self, message: lapin::message::Delivery) {
        let events = batch::read(content_type(&message.properties), &message.data);
        let original = (message.data, message.properties);
        let tags = self.parts.take(message.delivery_tag, events.len(), original);
        self.unread.extend(tags.zip(events).map(|(tag, event)| Delivery { tag, event }));
    }

    async fn bury(&mut self, letter: OutgoingMessage) -> Result<(), SourceError> {
        let channel = match self.burials.take() {
            Some(channel) => channel,
            None => self.session.confirming_channel().await.map_err(lost)?,
        };
        let exchange = self.session.topology.dead_letters();
        let letters = [letter];
        let published =
            timeout(self.session.reply_timeout, publish_batch::publish(&channel, &exchange, &letters)).await;
        published
            .map_err(|elapsed| SourceError(elapsed.into()))?
            .map_err(|error| SourceError(error.into()))?;
        self.burials = Some(channel);
        Ok(())
    }
}

/// One part of a message as a message of its own, in its own words. What has no parts, or none that can be told apart, stays
/// as it came.
fn alone((payload, properties): &Original, place: usize) -> Original {
    let parts =
        if batch::is_batch(content_type(properties)) { batch::split(payload) } else { Ok(Vec::new()) };
    let Some(part) = parts.unwrap_or_default().get(place).map(|part| part.get()) else {
        return (payload.clone(), properties.clone());
    };
    let mut own = BasicProperties::default().with_content_type(message::CONTENT_TYPE.into());
    if let Some(headers) = properties.headers() {
        own = own.with_headers(headers.clone());
    }
    // A text that AMQP has no room for is no code of ours either.
    if let Some(id) = message::id(part.as_bytes()).and_then(|id| ShortString::try_new(id).ok()) {
        own = own.with_message_id(id);
    }
    (part.as_bytes().to_vec(), own)
}

fn content_type(properties: &BasicProperties) -> Option<&str> {
    properties.content_type().as_ref().map(ShortString::as_str)
}

fn lost(error: BrokerError) -> SourceError {
    SourceError(error.into())
}
