//! Several issuances in one message: `CloudEvents`' JSON batch, an array of the events that would otherwise be a message
//! each. A message costs the broker more than an event does, so that a window of few messages is worth it.

use serde_json::value::RawValue;

use super::{decode, media_type, write};
use crate::ports::CouponIssued;

/// The content type of a message with several events.
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// The most events that are sent in one message: enough to share its price, few enough that a message which comes again,
/// because its reader died, is soon done.
pub const BATCH_EVENTS_MAX: usize = 128;
/// The most bytes that are sent in one message.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// The most events that a message is read for.
pub const BATCH_READ_EVENTS_MAX: usize = 1_024;
/// The most bytes that a message is read for.
pub const BATCH_READ_BYTES_MAX: usize = 1024 * 1024;

/// Cuts events into messages, in their order: which events, and the message's bytes. A message of one event is that event,
/// without an array around it.
#[must_use]
pub fn encode_batches(mut events: &[CouponIssued]) -> Vec<(&[CouponIssued], Vec<u8>)> {
    let mut messages = Vec::with_capacity(events.len().div_ceil(BATCH_EVENTS_MAX));
    while !events.is_empty() {
        let (count, payload) = fill(events, BATCH_BYTES_MAX);
        let (these, others) = events.split_at(count);
        messages.push((these, payload));
        events = others;
    }
    messages
}

/// One message with as many of the events as fit, and how many these are: at least one.
fn fill(events: &[CouponIssued], bytes_max: usize) -> (usize, Vec<u8>) {
    let (mut array, mut count) = (vec![b'['], 0);
    for event in events.iter().take(BATCH_EVENTS_MAX) {
        let before = array.len();
        if count > 0 {
            array.push(b',');
        }
        write(event, &mut array);
        // With room for the bracket that is still to come.
        if count > 0 && array.len() >= bytes_max {
            array.truncate(before);
            break;
        }
        count += 1;
    }
    if count == 1 {
        array.remove(0);
    } else {
        array.push(b']');
    }
    (count, array)
}

/// Reads a message of one event or of several, each for itself: one that cannot be read spoils no other. There is always at
/// least one, because a batch that cannot be read at all is one reason for the whole.
#[must_use]
pub fn read(content_type: Option<&str>, payload: &[u8]) -> Vec<Result<CouponIssued, String>> {
    if !is_batch(content_type) {
        return vec![decode(content_type, payload)];
    }
    match split(payload) {
        Ok(parts) => parts.into_iter().map(|part| decode(None, part.get().as_bytes())).collect(),
        Err(why) => vec![Err(why)],
    }
}

/// Whether a message of this content type has several events.
pub(in crate::messaging::rabbitmq) fn is_batch(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|found| media_type(found) == BATCH_CONTENT_TYPE)
}

/// The events of a batch, each in its own words.
///
/// # Errors
/// The reason in words, if it is no batch, or one that is too large.
pub(in crate::messaging::rabbitmq) fn split(payload: &[u8]) -> Result<Vec<&RawValue>, String> {
    if payload.len() > BATCH_READ_BYTES_MAX {
        return Err(format!("{} bytes are more than any batch has", payload.len()));
    }
    let parts: Vec<&RawValue> = serde_json::from_slice(payload)
        .map_err(|error| format!("it is no batch of CloudEvents in JSON: {error}"))?;
    match parts.len() {
        0 => Err("the batch has no event".to_owned()),
        count if count > BATCH_READ_EVENTS_MAX => Err(format!("{count} events are more than any batch has")),
        _ => Ok(parts),
    }
}

#[cfg(test)]
mod tests;
