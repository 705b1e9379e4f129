//! The consuming side of RabbitMQ.

use std::collections::VecDeque;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use tokio::time::timeout;

use super::ack_tracker::AckTracker;
use super::connection::Session;
use super::errors::BrokerError;
use super::letters::{letter_id, with_event};
use super::message::{self, batch};
use super::publish_batch::{self, OutgoingMessage};
use super::settings::RabbitSettings;
use crate::fault_injection::abort;
use crate::ports::{Delivery, DeliveryTag, EventSource, EventStream, LetterEventKind, SourceError};

/// Opens streams, each on a connection of its own, so that the loss of one ends no other.
#[derive(Debug, Clone)]
pub struct RabbitSource {
    settings: RabbitSettings,
}

impl RabbitSource {
    /// A source that connects for each stream.
    #[must_use]
    pub fn new(settings: RabbitSettings) -> Self {
        Self { settings }
    }

    /// Same as [`EventSource::open`], with the broker's own error.
    ///
    /// # Errors
    /// [`BrokerError`] describes the fault of the settings or the broker in one sentence.
    pub async fn stream(&self, prefetch: u16) -> Result<RabbitStream, BrokerError> {
        let session = Session::open(&self.settings, "openrun persister").await?;
        let channel = session.channel().await?;
        // AMQP takes 0 as no limit.
        let qos = channel.basic_qos(prefetch.max(1), BasicQosOptions::default());
        session.bounded("limiting the prefetch", qos).await?;
        let consuming = channel.basic_consume(
            session.topology.issuances().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = session.bounded("starting to consume", consuming).await?;
        let (unacked, unread) = (AckTracker::new(), VecDeque::new());
        Ok(RabbitStream { consumer, channel, letter_channel: None, session, unacked, unread })
    }
}

#[async_trait]
impl EventSource for RabbitSource {
    async fn open(&self, prefetch: u16) -> Result<Box<dyn EventStream>, SourceError> {
        let stream = self.stream(prefetch).await.map_err(lost)?;
        Ok(Box::new(stream))
    }
}

/// Deliveries of one consumer. After an error the caller has to open another stream.
#[derive(Debug)]
pub struct RabbitStream {
    // Drop order: the consumer before its channel and connection.
    consumer: Consumer,
    channel: Channel,
    /// A channel in confirm mode for dead letters; opened for the first one.
    letter_channel: Option<Channel>,
    session: Session,
    /// Unacknowledged messages, at most the prefetch, as they arrived: a rejected event is published from them.
    unacked: AckTracker<Original>,
    /// Events of the last message that `next` has not returned yet.
    unread: VecDeque<Delivery>,
}

/// A message as it arrived.
type Original = (Vec<u8>, BasicProperties);

#[async_trait]
impl EventStream for RabbitStream {
    async fn next(&mut self) -> Result<Delivery, SourceError> {
        loop {
            if let Some(delivery) = self.unread.pop_front() {
                return Ok(delivery);
            }
            // No await between the arrival of a message and its entry into `unacked`, so that `next` is cancel safe.
            match self.consumer.next().await {
                Some(Ok(message)) => self.receive(message),
                Some(Err(error)) => return Err(lost(error.into())),
                None => return Err(lost(BrokerError::Cancelled(self.session.topology.issuances()))),
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> Result<(), SourceError> {
        let frames = self.unacked.acknowledge(tags);
        let through = frames.through.map(|tag| (tag, true));
        for (tag, multiple) in through.into_iter().chain(frames.single.into_iter().map(|tag| (tag, false))) {
            let acknowledged = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            self.session.bounded("acknowledging", acknowledged).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Publishes the event with the reason to the dead letters, and acknowledges it after the broker's confirm.
    /// `basic.reject` would lose the reason, and a table of reasons would be one more thing that can fail. A crash in
    /// between makes a copy of the letter (see `letters`).
    async fn reject(&mut self, tag: DeliveryTag, reason: &str) -> Result<Option<String>, SourceError> {
        let Some((original, index)) = self.unacked.find(tag) else { return Ok(None) };
        let (payload, properties) = single_event(original, index);
        let letter = letter_id(&properties, &payload);
        let properties = with_event(&properties, LetterEventKind::Rejected, reason);
        self.publish_letter(OutgoingMessage::new(payload, properties)).await?;
        abort::visit(abort::BURIED);
        self.ack(&[tag]).await?;
        Ok(Some(letter))
    }
}

impl RabbitStream {
    fn receive(&mut self, message: lapin::message::Delivery) {
        let events = batch::read(content_type(&message.properties), &message.data);
        let original = (message.data, message.properties);
        let tags = self.unacked.track(message.delivery_tag, events.len(), original);
        self.unread.extend(tags.zip(events).map(|(tag, event)| Delivery { tag, event }));
    }

    async fn publish_letter(&mut self, letter: OutgoingMessage) -> Result<(), SourceError> {
        let channel = match self.letter_channel.take() {
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
        self.letter_channel = Some(channel);
        Ok(())
    }
}

/// One event of a message as a message of its own, with the same bytes. A message of one event, or an unreadable one,
/// stays as it arrived.
fn single_event((payload, properties): &Original, index: usize) -> Original {
    let events =
        if batch::is_batch(content_type(properties)) { batch::split(payload) } else { Ok(Vec::new()) };
    let Some(event) = events.unwrap_or_default().get(index).map(|event| event.get()) else {
        return (payload.clone(), properties.clone());
    };
    let mut own = BasicProperties::default().with_content_type(message::CONTENT_TYPE.into());
    if let Some(headers) = properties.headers() {
        own = own.with_headers(headers.clone());
    }
    // An id that is too long for AMQP is no code of openrun, and is left out.
    if let Some(id) = message::id(event.as_bytes()).and_then(|id| ShortString::try_new(id).ok()) {
        own = own.with_message_id(id);
    }
    (event.as_bytes().to_vec(), own)
}

fn content_type(properties: &BasicProperties) -> Option<&str> {
    properties.content_type().as_ref().map(ShortString::as_str)
}

fn lost(error: BrokerError) -> SourceError {
    SourceError(error.into())
}
