//! Reading issuances from RabbitMQ.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer};
use tokio::time::timeout;

use super::connection::Session;
use super::errors::BrokerError;
use super::letters::with_history;
use super::message;
use super::settings::RabbitSettings;
use super::window::{self, OutgoingMessage};
use crate::ports::{Delivery, DeliveryTag, EventSource, EventStream, LetterEventKind, SourceError};
use crate::sabotage::abort;

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
        let (unanswered, originals) = (BTreeSet::new(), HashMap::new());
        Ok(RabbitStream { consumer, channel, burials: None, session, unanswered, originals })
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
    /// What was handed out and neither acknowledged nor rejected.
    unanswered: BTreeSet<u64>,
    /// The same as they came, for those that have to be buried. As many as the prefetch allows.
    originals: HashMap<u64, (Vec<u8>, BasicProperties)>,
}

#[async_trait]
impl EventStream for RabbitStream {
    async fn next(&mut self) -> Result<Delivery, SourceError> {
        let delivery = match self.consumer.next().await {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(lost(error.into())),
            None => return Err(lost(BrokerError::Cancelled(self.session.topology.issuances()))),
        };
        self.unanswered.insert(delivery.delivery_tag);
        let content_type = delivery.properties.content_type().as_ref().map(lapin::types::ShortString::as_str);
        let event = message::decode(content_type, &delivery.data);
        let (tag, data, properties) = (delivery.delivery_tag, delivery.data, delivery.properties);
        self.originals.insert(tag, (data, properties));
        Ok(Delivery { tag: DeliveryTag(tag), event })
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> Result<(), SourceError> {
        let (together, alone) = frames(&self.unanswered, tags);
        let together = together.map(|tag| (tag, true));
        for (tag, multiple) in together.into_iter().chain(alone.into_iter().map(|tag| (tag, false))) {
            let acknowledged = self.channel.basic_ack(tag, BasicAckOptions { multiple });
            self.session.bounded("acknowledging", acknowledged).await.map_err(lost)?;
        }
        for tag in tags {
            self.unanswered.remove(&tag.0);
            self.originals.remove(&tag.0);
        }
        Ok(())
    }

    /// Publishes it to the dead letters together with the reason, and acknowledges it when the broker has confirmed that.
    /// `basic.reject` would lose the reason; a table for reasons would be a second thing that may be away. A crash in
    /// between makes a copy, which is no other letter (see `letters`).
    async fn reject(&mut self, tag: DeliveryTag, reason: &str) -> Result<(), SourceError> {
        let Some((payload, properties)) = self.originals.remove(&tag.0) else { return Ok(()) };
        let properties = with_history(&properties, LetterEventKind::Rejected, reason);
        self.bury(OutgoingMessage::new(payload, properties)).await?;
        abort::visit(abort::BURIED);
        self.ack(&[tag]).await
    }
}

impl RabbitStream {
    async fn bury(&mut self, letter: OutgoingMessage) -> Result<(), SourceError> {
        let channel = match self.burials.take() {
            Some(channel) => channel,
            None => self.session.confirming_channel().await.map_err(lost)?,
        };
        let exchange = self.session.topology.dead_letters();
        let letters = [letter];
        let published =
            timeout(self.session.reply_timeout, window::publish(&channel, &exchange, &letters)).await;
        published
            .map_err(|elapsed| SourceError(elapsed.into()))?
            .map_err(|error| SourceError(error.into()))?;
        self.burials = Some(channel);
        Ok(())
    }
}

/// The tag up to which everything can be acknowledged in one frame, and the tags that need a frame each. What is not
/// unanswered is left out: the broker closes a channel on which something is answered twice.
fn frames(unanswered: &BTreeSet<u64>, tags: &[DeliveryTag]) -> (Option<u64>, Vec<u64>) {
    let tags: BTreeSet<u64> = tags.iter().map(|tag| tag.0).filter(|tag| unanswered.contains(tag)).collect();
    // Deliveries that wait in the client for `next` have larger tags than all that were handed out.
    let together =
        unanswered.iter().zip(&tags).take_while(|(first, tag)| first == tag).map(|(_, tag)| *tag).last();
    let alone = tags.into_iter().filter(|tag| together.is_none_or(|last| *tag > last)).collect();
    (together, alone)
}

fn lost(error: BrokerError) -> SourceError {
    SourceError(error.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{DeliveryTag, frames};

    #[test]
    fn a_whole_prefetch_is_one_frame() {
        let unanswered = BTreeSet::from([4, 5, 6]);
        let tags = [DeliveryTag(6), DeliveryTag(4), DeliveryTag(5)];
        assert_eq!(frames(&unanswered, &tags), (Some(6), vec![]));
    }

    proptest! {
        #[test]
        fn exactly_the_named_ones_that_are_unanswered_are_acknowledged(
            unanswered in prop::collection::btree_set(1u64..40, 0..30),
            named in prop::collection::vec(1u64..45, 0..40),
        ) {
            let tags: Vec<DeliveryTag> = named.iter().copied().map(DeliveryTag).collect();
            let (together, alone) = frames(&unanswered, &tags);
            let mut acknowledged: BTreeSet<u64> =
                unanswered.iter().copied().filter(|tag| together.is_some_and(|last| *tag <= last)).collect();
            for tag in alone {
                prop_assert!(acknowledged.insert(tag), "twice: {}", tag);
            }
            let expected: BTreeSet<u64> = named.into_iter().filter(|tag| unanswered.contains(tag)).collect();
            prop_assert_eq!(acknowledged, expected);
        }
    }
}
