//! Publishing of one batch of events in as few messages as possible, on a channel of its own.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};

use super::errors::BrokerError;
use super::message::{self, batch};
use super::topology::ROUTING_KEY;
use crate::fault_injection::abort;
use crate::ports::{BusError, CouponIssued};

/// AMQP's delivery mode for messages on disk.
const PERSISTENT: u8 = 2;

/// A message ready to publish.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    payload: Vec<u8>,
    properties: BasicProperties,
}

impl OutgoingMessage {
    /// A message with this payload and these properties.
    pub(super) fn new(payload: Vec<u8>, properties: BasicProperties) -> Self {
        Self { payload, properties }
    }
}

/// Packs events into as few messages as possible, in their order.
pub(super) fn messages(events: &[CouponIssued]) -> Vec<OutgoingMessage> {
    batch::encode_batches(events).into_iter().map(|(events, payload)| message_of(events, payload)).collect()
}

/// Adds the properties. The message id is the code of the first event.
fn message_of(events: &[CouponIssued], payload: Vec<u8>) -> OutgoingMessage {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(first) = events.first() {
        properties = properties.with_message_id(first.issuance.code.as_str().into());
    }
    let [event] = events else {
        // In a batch, each event carries its own trace.
        let properties = properties.with_content_type(batch::BATCH_CONTENT_TYPE.into());
        return OutgoingMessage { payload, properties };
    };
    properties = properties.with_content_type(message::CONTENT_TYPE.into());
    if let Some(trace) = &event.traceparent {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(trace.as_str().into()));
        properties = properties.with_headers(headers);
    }
    OutgoingMessage { payload, properties }
}

/// Sends every message and waits for every confirm. After an error some messages may have arrived, and the channel must
/// not be used again.
///
/// The caller bounds the wait: a broker that blocks publishers never answers.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &str,
    messages: &[OutgoingMessage],
) -> Result<(), BusError> {
    // Sends all messages before it awaits the first confirm; else each message would wait for the one before.
    let sent = try_join_all(messages.iter().map(|message| send(channel, exchange, message))).await;
    abort::visit(abort::PUBLISHED);
    let mut outcome = Outcome::default();
    for confirm in sent.map_err(unavailable)? {
        outcome.add(confirm.await.map_err(unavailable)?);
    }
    outcome.into_result()
}

async fn send(
    channel: &Channel,
    exchange: &str,
    message: &OutgoingMessage,
) -> lapin::Result<PublisherConfirm> {
    // The broker returns an unroutable message instead of dropping it.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = message.properties.clone();
    channel.basic_publish(exchange.into(), ROUTING_KEY.into(), options, &message.payload, properties).await
}

fn unavailable(error: lapin::Error) -> BusError {
    BusError::Unavailable(BrokerError::from(error).into())
}

/// Sum of the confirms of a batch.
#[derive(Debug, Default)]
struct Outcome {
    /// Ids of returned messages. A set, because a confirm may carry the return of another message.
    returned: HashSet<String>,
    nacks: usize,
    no_confirm_mode: bool,
}

impl Outcome {
    fn add(&mut self, confirmation: Confirmation) {
        match &confirmation {
            Confirmation::Ack(_) => {}
            Confirmation::Nack(_) => self.nacks += 1,
            Confirmation::NotRequested => self.no_confirm_mode = true,
        }
        if let Some(message) = confirmation.take_message() {
            let id = message.delivery.properties.message_id().as_ref().map(ToString::to_string);
            self.returned.insert(id.unwrap_or_default());
        }
    }

    fn into_result(self) -> Result<(), BusError> {
        if !self.returned.is_empty() {
            Err(BusError::Returned(self.returned.len()))
        } else if self.nacks > 0 {
            Err(BusError::Refused(self.nacks))
        } else if self.no_confirm_mode {
            Err(BusError::Unavailable("the channel is not in confirm mode".into()))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::Confirmation;

    use super::{BusError, Outcome};

    fn outcome_of(confirmations: impl IntoIterator<Item = Confirmation>) -> Result<(), BusError> {
        let mut outcome = Outcome::default();
        for confirmation in confirmations {
            outcome.add(confirmation);
        }
        outcome.into_result()
    }

    #[test]
    fn only_acks_are_a_success() {
        assert!(outcome_of([Confirmation::Ack(None), Confirmation::Ack(None)]).is_ok());
        assert!(matches!(
            outcome_of([Confirmation::Ack(None), Confirmation::Nack(None)]),
            Err(BusError::Refused(1))
        ));
        assert!(matches!(outcome_of([Confirmation::NotRequested]), Err(BusError::Unavailable(_))));
    }
}
