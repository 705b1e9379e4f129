//! Publishing one window of events, in as few messages as it takes, on a channel of its own.

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

/// AMQP's word for what is written to disk.
const PERSISTENT: u8 = 2;

/// One event or several in the form in which they go over the wire.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    payload: Vec<u8>,
    properties: BasicProperties,
}

impl OutgoingMessage {
    /// A message that exists already, with what it is to say now.
    pub(super) fn new(payload: Vec<u8>, properties: BasicProperties) -> Self {
        Self { payload, properties }
    }
}

/// The messages of a window: as few as its events fit into, in their order.
pub(super) fn messages(window: &[CouponIssued]) -> Vec<OutgoingMessage> {
    batch::encode_batches(window).into_iter().map(|(events, payload)| message_of(events, payload)).collect()
}

/// `payload` with what is to be known of it without reading it. It is named by its first event.
fn message_of(events: &[CouponIssued], payload: Vec<u8>) -> OutgoingMessage {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(first) = events.first() {
        properties = properties.with_message_id(first.issuance.code.as_str().into());
    }
    let [event] = events else {
        // Each event has its trace in itself.
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

/// Sends every message and waits for every confirm. After any error some may have arrived, and the channel is of no use.
///
/// The caller bounds it: a broker that blocks its publishers lets it wait for ever.
pub(super) async fn publish(
    channel: &Channel,
    exchange: &str,
    window: &[OutgoingMessage],
) -> Result<(), BusError> {
    // All are handed over before the first is awaited: otherwise each would wait for the one before to be written.
    let sent = try_join_all(window.iter().map(|message| send(channel, exchange, message))).await;
    abort::visit(abort::PUBLISHED);
    let mut verdict = Outcome::default();
    for confirm in sent.map_err(unavailable)? {
        verdict.note(confirm.await.map_err(unavailable)?);
    }
    verdict.judge()
}

async fn send(
    channel: &Channel,
    exchange: &str,
    message: &OutgoingMessage,
) -> lapin::Result<PublisherConfirm> {
    // One that nobody would receive comes back instead of vanishing.
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = message.properties.clone();
    channel.basic_publish(exchange.into(), ROUTING_KEY.into(), options, &message.payload, properties).await
}

fn unavailable(error: lapin::Error) -> BusError {
    BusError::Unavailable(BrokerError::from(error).into())
}

/// What the confirms of a window said.
#[derive(Debug, Default)]
struct Outcome {
    /// The ids of what came back. A confirm may carry the return of another message, so that its place says nothing.
    returned: HashSet<String>,
    refused: usize,
    unasked: bool,
}

impl Outcome {
    fn note(&mut self, confirmation: Confirmation) {
        match &confirmation {
            Confirmation::Ack(_) => {}
            Confirmation::Nack(_) => self.refused += 1,
            Confirmation::NotRequested => self.unasked = true,
        }
        if let Some(message) = confirmation.take_message() {
            let id = message.delivery.properties.message_id().as_ref().map(ToString::to_string);
            self.returned.insert(id.unwrap_or_default());
        }
    }

    fn judge(self) -> Result<(), BusError> {
        if !self.returned.is_empty() {
            Err(BusError::Returned(self.returned.len()))
        } else if self.refused > 0 {
            Err(BusError::Refused(self.refused))
        } else if self.unasked {
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

    fn judged(confirmations: impl IntoIterator<Item = Confirmation>) -> Result<(), BusError> {
        let mut outcome = Outcome::default();
        for confirmation in confirmations {
            outcome.note(confirmation);
        }
        outcome.judge()
    }

    #[test]
    fn only_acks_alone_are_a_success() {
        assert!(judged([Confirmation::Ack(None), Confirmation::Ack(None)]).is_ok());
        assert!(matches!(
            judged([Confirmation::Ack(None), Confirmation::Nack(None)]),
            Err(BusError::Refused(1))
        ));
        assert!(matches!(judged([Confirmation::NotRequested]), Err(BusError::Unavailable(_))));
    }
}
