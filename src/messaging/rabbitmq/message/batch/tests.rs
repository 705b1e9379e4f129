//! The form and bounds of a batch, and the isolation of an invalid event.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{IssuedCoupon, MemberId};
use crate::messaging::rabbitmq::message::{MAX_MESSAGE_BYTES, encode};

const BATCH: Option<&str> = Some(BATCH_CONTENT_TYPE);

fn event(member: &str, sequence: u32) -> CouponIssued {
    CouponIssued { issuance: IssuedCoupon::sample("drop", member, sequence), traceparent: None }
}

fn events(count: u32) -> Vec<CouponIssued> {
    (1..=count).map(|n| event(&format!("m{n}"), n)).collect()
}

fn content_type(events: &[CouponIssued]) -> &'static str {
    if events.len() == 1 { crate::messaging::rabbitmq::CONTENT_TYPE } else { BATCH_CONTENT_TYPE }
}

fn array(parts: &[&[u8]]) -> Vec<u8> {
    [b"[", &*parts.join(&b','), b"]"].concat()
}

#[test]
fn a_batch_is_an_array_of_the_events_as_they_are_alone() {
    let events = events(3);
    let [(these, payload)] = encode_batches(&events).try_into().unwrap();
    let alone: Vec<Vec<u8>> = events.iter().map(encode).collect();
    assert_eq!(these, events);
    assert_eq!(payload, array(&alone.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    assert_eq!(read(Some("application/cloudevents-batch+json; charset=utf-8"), &payload).len(), 3);
}

#[test]
fn a_message_of_one_event_is_no_array() {
    let events = events(129);
    let messages = encode_batches(&events);
    assert_eq!(messages.iter().map(|(these, _)| these.len()).collect::<Vec<_>>(), [128, 1]);
    assert_eq!(messages[1].1, encode(&events[128]));
    assert!(encode_batches(&[]).is_empty());
}

#[test]
fn a_message_has_at_most_the_permitted_bytes() {
    let events = events(9);
    let [(_, whole)] = encode_batches(&events).try_into().unwrap();
    for (bytes_max, count) in [(0, 1), (whole.len() - 1, 8), (whole.len(), 9)] {
        let (found, payload) = fill(&events, bytes_max);
        assert_eq!(found, count, "{bytes_max}");
        assert_eq!(read(Some(content_type(&events[..count])), &payload).len(), count);
        assert!(count == 1 || payload.len() <= bytes_max);
    }
}

#[test]
fn an_invalid_event_does_not_affect_the_others() {
    let (first, last) = (event("kim", 1), event("lee", 2));
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_MESSAGE_BYTES));
    for (bad, word) in
        [("7", "no CloudEvent"), ("{}", "missing"), ("[]", "no CloudEvent"), (&*huge, "at most")]
    {
        let payload = array(&[&encode(&first), bad.as_bytes(), &encode(&last)]);
        let found = read(BATCH, &payload);
        let [one, two, three] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.as_ref(), three.as_ref()), (Ok(&first), Ok(&last)));
        assert!(two.as_ref().unwrap_err().contains(word), "{two:?}");
        assert_eq!(split(&payload).unwrap()[1].get(), bad, "its bytes are unchanged");
    }
}

#[test]
fn an_unreadable_or_oversized_batch_is_one_error() {
    let long = format!("[{}]", " ".repeat(BATCH_READ_BYTES_MAX));
    let many = format!("[{}0]", "0,".repeat(BATCH_READ_EVENTS_MAX));
    let whole = encode(&event("kim", 1));
    for (payload, word) in [
        (&b""[..], "no batch"),
        (b"[", "no batch"),
        (b"[1,]", "no batch"),
        (b"[\"\xff\"]", "no batch"),
        (b"null", "no batch"),
        (&whole, "no batch"),
        (b"[]", "no event"),
        (long.as_bytes(), "bytes, at most"),
        (many.as_bytes(), "1025 events, at most"),
    ] {
        let [found] = read(BATCH, payload).try_into().unwrap();
        assert!(found.as_ref().unwrap_err().contains(word), "{found:?}");
    }
    let most = format!("[{}0]", "0,".repeat(BATCH_READ_EVENTS_MAX - 1));
    assert_eq!(read(BATCH, most.as_bytes()).len(), BATCH_READ_EVENTS_MAX);
}

#[test]
fn an_array_without_the_batch_content_type_is_no_event() {
    let payload = array(&[&encode(&event("kim", 1))]);
    for content_type in [None, Some(crate::messaging::rabbitmq::CONTENT_TYPE)] {
        let [found] = read(content_type, &payload).try_into().unwrap();
        assert!(found.unwrap_err().contains("no CloudEvent"));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "[".repeat(BATCH_READ_BYTES_MAX);
    let found = read(BATCH, deep.as_bytes());
    assert!(matches!(found.as_slice(), [Err(_)]));
    let closed = format!("[{}{}]", "[".repeat(8_000), "]".repeat(8_000));
    assert!(matches!(read(BATCH, closed.as_bytes()).as_slice(), [Err(_)]));
}

#[test]
fn unknown_attributes_in_a_batch_are_accepted() {
    let mut other: Value = serde_json::from_slice(&encode(&event("kim", 1))).unwrap();
    other["partitionkey"] = json!("drop");
    let payload = serde_json::to_vec_pretty(&json!([other])).unwrap();
    assert_eq!(read(BATCH, &payload), [Ok(event("kim", 1))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_split_batch_decodes_to_its_events(
        count in 0u32..300,
        member in "[^\\p{C}\\p{Z}]{1,100}",
    ) {
        prop_assume!(MemberId::parse(&member).is_ok());
        let events: Vec<_> = (1..=count).map(|n| event(&format!("{member}{n}"), n)).collect();
        let mut found = Vec::new();
        for (these, payload) in encode_batches(&events) {
            prop_assert!((1..=BATCH_EVENTS_MAX).contains(&these.len()));
            prop_assert!(payload.len() <= BATCH_BYTES_MAX);
            found.extend(read(Some(content_type(these)), &payload).into_iter().map(Result::unwrap));
        }
        prop_assert_eq!(found, events);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        prop_assert!(!read(BATCH, &bytes).is_empty());
    }
}
