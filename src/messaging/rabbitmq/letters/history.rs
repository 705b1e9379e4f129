//! What has happened to a message: a header of ours, which survives as long as the message does, and the broker's own.

use std::time::{SystemTime, UNIX_EPOCH};

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::domain::{Timestamp, Traceparent};
use crate::ports::{LetterEvent, LetterEventKind};

/// The header with the history, as JSON.
pub(in crate::messaging::rabbitmq) const HISTORY: &str = "openrun-history";
/// The header in which the broker notes what it set aside by itself.
const BROKERS: &str = "x-death";
const TRACE: &str = "traceparent";
/// The most entries that are kept: the first and the latest. All headers together must fit into one frame.
const ENTRIES_MAX: usize = 20;
/// The longest reason that is kept, in characters.
const REASON_MAX: usize = 500;
/// AMQP's word for what is written to disk.
const PERSISTENT: u8 = 2;

/// Everything that is known to have happened to the message, the oldest first.
pub(in crate::messaging::rabbitmq) fn of(properties: &BasicProperties) -> Vec<LetterEvent> {
    let Some(headers) = properties.headers() else { return Vec::new() };
    let ours = headers.inner().get(HISTORY).and_then(text);
    // Whatever somebody else may have written there is no history.
    let mut events: Vec<LetterEvent> =
        ours.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
    if let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get(BROKERS) {
        events.extend(deaths.as_slice().iter().filter_map(brokers));
    }
    // Stable, so that what has no time stays where it was.
    events.sort_by_key(|event| event.at);
    events
}

/// The properties with which a message goes to the dead letters or comes back from them: what openrun reads of the old
/// ones, and the longer history. Everything else stays behind, because it would steer the broker: a time to live would
/// let a dead letter vanish.
pub(in crate::messaging::rabbitmq) fn with(
    old: &BasicProperties,
    what: LetterEventKind,
    reason: &str,
) -> BasicProperties {
    let mut events = of(old);
    let reason = reason.chars().take(REASON_MAX).collect();
    events.push(LetterEvent { what, at: Some(now()), reason, queue: None, count: 1 });
    if events.len() > ENTRIES_MAX {
        events.drain(1..=events.len() - ENTRIES_MAX);
    }
    let mut headers = FieldTable::default();
    // Texts and numbers always have a JSON form.
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

/// One entry of the broker's header.
fn brokers(death: &AMQPValue) -> Option<LetterEvent> {
    let AMQPValue::FieldTable(death) = death else { return None };
    let of = |key: &str| death.inner().get(key);
    let reason = match of("reason").and_then(text)?.as_str() {
        "delivery_limit" => "it came back too often: whoever reads it dies".to_owned(),
        other => format!("the broker set it aside ({other})"),
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

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{BasicProperties, ENTRIES_MAX, LetterEventKind, REASON_MAX, of, with};

    #[test]
    fn the_history_grows_keeps_its_beginning_and_is_bounded() {
        let mut properties =
            BasicProperties::default().with_expiration("1".into()).with_message_id("id".into());
        for n in 0..50 {
            let reason = format!("{n} {}", "쿠".repeat(REASON_MAX));
            properties = with(&properties, LetterEventKind::Rejected, &reason);
        }
        let events = of(&properties);
        assert_eq!(events.len(), ENTRIES_MAX);
        assert!(events[0].reason.starts_with("0 ") && events[ENTRIES_MAX - 1].reason.starts_with("49 "));
        assert!(events.iter().all(|event| event.reason.chars().count() == REASON_MAX));
        assert!(properties.expiration().is_none(), "a dead letter must not vanish by itself");
        assert_eq!(properties.message_id().as_ref().map(lapin::types::ShortString::as_str), Some("id"));
    }

    #[test]
    fn a_message_without_a_history_has_none() {
        assert!(of(&BasicProperties::default()).is_empty());
    }
}
