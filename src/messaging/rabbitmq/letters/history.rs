//! The history of a message: openrun's own header, which survives republishing, and the broker's.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::clock;
use crate::domain::{Timestamp, Traceparent};
use crate::ports::{LetterEvent, LetterEventKind};

/// Header with the history as JSON.
pub(in crate::messaging::rabbitmq) const HISTORY: &str = "openrun-history";
/// Header in which the broker records its own dead-lettering.
const BROKER_DEATHS: &str = "x-death";
const TRACE: &str = "traceparent";
/// Upper limit of entries: the first and the latest are kept. All headers together must fit into one frame.
const ENTRIES_MAX: usize = 20;
/// Upper limit of a reason's length, in characters.
const REASON_MAX: usize = 500;
/// AMQP's delivery mode for messages on disk.
const PERSISTENT: u8 = 2;

/// All events of the message, the oldest first.
pub(in crate::messaging::rabbitmq) fn events(properties: &BasicProperties) -> Vec<LetterEvent> {
    let Some(headers) = properties.headers() else { return Vec::new() };
    let ours = headers.inner().get(HISTORY).and_then(text);
    // Foreign content of the header is ignored.
    let mut events: Vec<LetterEvent> =
        ours.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    if let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get(BROKER_DEATHS) {
        events.extend(deaths.as_slice().iter().filter_map(broker_event));
    }
    // The sort is stable: events without a time keep their places at the beginning.
    events.sort_by_key(|event| event.at);
    events
}

/// The properties of a message on its way to the dead letters or back: `old` without everything that openrun does not
/// read, and with one more event. Other properties would steer the broker: with a time to live a dead letter would
/// vanish.
pub(in crate::messaging::rabbitmq) fn with_event(
    old: &BasicProperties,
    what: LetterEventKind,
    reason: &str,
) -> BasicProperties {
    let mut events = events(old);
    let reason = reason.chars().take(REASON_MAX).collect();
    events.push(LetterEvent { what, at: Some(clock::now()), reason, queue: None, count: 1 });
    if events.len() > ENTRIES_MAX {
        events.drain(1..=events.len() - ENTRIES_MAX);
    }
    let mut headers = FieldTable::default();
    // Strings and numbers always have a JSON form.
    let json = serde_json::to_string(&events).unwrap_or_default();
    headers.insert(HISTORY.into(), AMQPValue::LongString(json.into()));
    let trace = old.headers().as_ref().and_then(|headers| headers.inner().get(TRACE)).and_then(text);
    if let Some(trace) = trace.as_deref().and_then(Traceparent::parse) {
        headers.insert(TRACE.into(), AMQPValue::LongString(trace.as_str().into()));
    }
    let mut new = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers);
    if let Some(content_type) = old.content_type() {
        new = new.with_content_type(content_type.clone());
    }
    if let Some(id) = old.message_id() {
        new = new.with_message_id(id.clone());
    }
    new
}

/// Reads one entry of the broker's header.
fn broker_event(death: &AMQPValue) -> Option<LetterEvent> {
    let AMQPValue::FieldTable(death) = death else { return None };
    let of = |key: &str| death.inner().get(key);
    let reason = match of("reason").and_then(text)?.as_str() {
        "delivery_limit" => {
            "it was redelivered too often, which means that it kills its consumers".to_owned()
        }
        other => format!("the broker dead-lettered it ({other})"),
    };
    let at = match of("time") {
        Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .map(Timestamp::from_ms),
        _ => None,
    };
    let count = match of("count") {
        Some(AMQPValue::LongLongInt(count)) => u64::try_from(*count).unwrap_or(1),
        Some(AMQPValue::LongInt(count)) => u64::try_from(*count).unwrap_or(1),
        _ => 1,
    };
    let queue = of("queue").and_then(text);
    Some(LetterEvent { what: LetterEventKind::GivenUp, at, reason, queue, count })
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{BasicProperties, ENTRIES_MAX, LetterEventKind, REASON_MAX, events, with_event};

    #[test]
    fn the_history_grows_keeps_its_beginning_and_is_bounded() {
        let mut properties =
            BasicProperties::default().with_expiration("1".into()).with_message_id("id".into());
        for n in 0..50 {
            let reason = format!("{n} {}", "쿠".repeat(REASON_MAX));
            properties = with_event(&properties, LetterEventKind::Rejected, &reason);
        }
        let events = events(&properties);
        assert_eq!(events.len(), ENTRIES_MAX);
        assert!(events[0].reason.starts_with("0 ") && events[ENTRIES_MAX - 1].reason.starts_with("49 "));
        assert!(events.iter().all(|event| event.reason.chars().count() == REASON_MAX));
        assert!(properties.expiration().is_none(), "a dead letter must not vanish by itself");
        assert_eq!(properties.message_id().as_ref().map(lapin::types::ShortString::as_str), Some("id"));
    }

    #[test]
    fn a_message_without_a_history_has_none() {
        assert!(events(&BasicProperties::default()).is_empty());
    }
}
