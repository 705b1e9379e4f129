//! Reads a dead letter, as far as it is readable.

use lapin::BasicProperties;
use lapin::types::ShortString;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::history;
use crate::domain::{CouponId, IssueCode, MemberId};
use crate::messaging::rabbitmq::message::{self, batch};
use crate::ports::{DeadLetter, LetterEventKind};

/// Upper limit of payload bytes shown: five times the longest message of openrun.
const SHOWN_MAX: usize = 16 * 1024;
/// Bytes of the hash in the id of a message without a code: enough to avoid collisions.
const NAME_BYTES: usize = 12;

/// The letter's id, without reading the rest. A batch is named by its bytes and not by its message id, which is the
/// code of its first issuance alone.
pub(in crate::messaging::rabbitmq) fn id(properties: &BasicProperties, payload: &[u8]) -> String {
    let given = properties.message_id().as_ref().map(ShortString::as_str);
    match given.filter(|_| !is_batch(properties)).and_then(IssueCode::parse) {
        Some(code) => code.as_str().to_owned(),
        None => derived(payload),
    }
}

/// An id for a message without a code: a hash of its bytes.
fn derived(payload: &[u8]) -> String {
    let hash = Sha256::digest(payload);
    hash.iter().take(NAME_BYTES).fold("body-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

pub(super) fn read(properties: &BasicProperties, payload: &[u8]) -> DeadLetter {
    let history = history::events(properties);
    let deaths = || history.iter().filter(|event| event.what != LetterEventKind::Replayed);
    let (died_at, reason) = (deaths().find_map(|event| event.at), deaths().next_back());
    let reason = match reason {
        Some(event) => event.reason.clone(),
        None => "unknown: the message was not put here by openrun".to_owned(),
    };
    let reason = match event_count(properties, payload) {
        Some(count) => format!("a batch of {count} issuances: {reason}"),
        None => reason,
    };
    // Fields are shown even if the payload is no valid event.
    let body: Value =
        serde_json::from_slice(&payload[..payload.len().min(message::MAX_MESSAGE_BYTES)]).unwrap_or_default();
    let field = |name: &str| body.get("data").and_then(|data| data.get(name));
    DeadLetter {
        id: id(properties, payload),
        coupon_id: field("coupon_id").and_then(Value::as_str).and_then(|id| CouponId::parse(id).ok()),
        member_id: field("member_id").and_then(Value::as_str).and_then(|id| MemberId::parse(id).ok()),
        sequence: field("sequence").and_then(Value::as_u64).and_then(|sequence| u32::try_from(sequence).ok()),
        died_at,
        reason,
        history,
        copies: 1,
        payload_bytes: payload.len(),
        payload: shown(payload),
    }
}

fn is_batch(properties: &BasicProperties) -> bool {
    batch::is_batch(properties.content_type().as_ref().map(ShortString::as_str))
}

/// Number of issuances in a batch that the broker dead-lettered as a whole.
fn event_count(properties: &BasicProperties, payload: &[u8]) -> Option<usize> {
    if is_batch(properties) { batch::split(payload).ok().map(|events| events.len()) } else { None }
}

fn shown(payload: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(payload).ok()?;
    Some(text[..text.floor_char_boundary(SHOWN_MAX)].to_owned())
}

#[cfg(test)]
mod tests {
    use super::{BasicProperties, SHOWN_MAX, id, read};

    #[test]
    fn a_message_without_a_code_is_named_by_its_bytes() {
        let none = BasicProperties::default();
        assert_eq!(id(&none, b"x"), id(&none.clone().with_message_id("no code".into()), b"x"));
        assert_ne!(id(&none, b"x"), id(&none, b"y"));
        assert_eq!(id(&none, b"x").len(), "body-".len() + 24);
        let coded = none.with_message_id("7ZQ4M-0RBX2-9KD3H-VWC81".into());
        assert_eq!(id(&coded, b"x"), "7ZQ4M-0RBX2-9KD3H-VWC81");
    }

    #[test]
    fn a_batch_is_named_by_its_bytes_and_its_reason_has_the_count() {
        let batch = BasicProperties::default()
            .with_content_type("application/cloudevents-batch+json".into())
            .with_message_id("7ZQ4M-0RBX2-9KD3H-VWC81".into());
        let letter = read(&batch, b"[1,2,3]");
        assert!(letter.id.starts_with("body-"), "{letter:?}");
        assert!(letter.reason.starts_with("a batch of 3 issuances: "), "{letter:?}");
        assert!(
            !read(&batch, b"[1,2").reason.contains("issuances"),
            "an unreadable batch has no known count"
        );
    }

    #[test]
    fn an_unreadable_letter_is_shown_as_far_as_possible() {
        let none = BasicProperties::default();
        let garbage = read(&none, b"\xff\xfe");
        assert_eq!((garbage.payload, garbage.payload_bytes, garbage.coupon_id), (None, 2, None));
        let half = read(&none, br#"{"data":{"coupon_id":"drop","sequence":7,"member_id":3}}"#);
        assert_eq!(half.coupon_id.map(|id| id.to_string()).as_deref(), Some("drop"));
        assert_eq!((half.sequence, half.member_id), (Some(7), None));
        let long = read(&none, "쿠".repeat(SHOWN_MAX).as_bytes());
        assert_eq!(long.payload.map(|text| text.len()), Some(SHOWN_MAX - SHOWN_MAX % 3));
    }
}
