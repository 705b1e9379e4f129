//! Several issuances in one message: the JSON batch of `CloudEvents`, an array of single events. A message costs the
//! broker more than an event, so that a publish batch of few messages is cheaper.

use serde_json::value::RawValue;

use super::{decode, media_type, write};
use crate::ports::CouponIssued;

/// Content type of a message with several events.
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// Upper limit of events in a published message: enough to share the cost of the message, few enough that its
/// redelivery is done soon.
pub const BATCH_EVENTS_MAX: usize = 128;
/// Upper limit of bytes in a published message.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Upper limit of events in a readable message.
pub const BATCH_READ_EVENTS_MAX: usize = 1_024;
/// Upper limit of bytes in a readable message.
pub const BATCH_READ_BYTES_MAX: usize = 1024 * 1024;

/// Packs events into messages, in their order; returns the events and the payload of each message. A message of one
/// event is that event without an array around it.
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

/// Packs as many of the events as fit into one message, at least one; returns their count and the payload.
fn fill(events: &[CouponIssued], bytes_max: usize) -> (usize, Vec<u8>) {
    let (mut array, mut count) = (vec![b'['], 0);
    for event in events.iter().take(BATCH_EVENTS_MAX) {
        let before = array.len();
        if count > 0 {
            array.push(b',');
        }
        write(event, &mut array);
        // Leaves room for the closing bracket.
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

/// Parses a message of one event or several. Each event has its own result, so that an invalid one does not affect the
/// others. The result has at least one entry: an unreadable batch is one error.
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

/// Whether a message of this content type is a batch.
pub(in crate::messaging::rabbitmq) fn is_batch(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|found| media_type(found) == BATCH_CONTENT_TYPE)
}

/// The events of a batch as raw JSON.
///
/// # Errors
/// The reason as a sentence, if it is no batch, or too large.
pub(in crate::messaging::rabbitmq) fn split(payload: &[u8]) -> Result<Vec<&RawValue>, String> {
    if payload.len() > BATCH_READ_BYTES_MAX {
        return Err(format!(
            "the batch has {} bytes, at most {BATCH_READ_BYTES_MAX} are read",
            payload.len()
        ));
    }
    let parts: Vec<&RawValue> = serde_json::from_slice(payload)
        .map_err(|error| format!("it is no batch of CloudEvents in JSON: {error}"))?;
    match parts.len() {
        0 => Err("the batch has no event".to_owned()),
        count if count > BATCH_READ_EVENTS_MAX => {
            Err(format!("the batch has {count} events, at most {BATCH_READ_EVENTS_MAX} are read"))
        }
        _ => Ok(parts),
    }
}

#[cfg(test)]
mod tests;
