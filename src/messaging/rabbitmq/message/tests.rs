//! The form of a message, and the refusal of everything else.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CONTENT_TYPE, MAX_MESSAGE_BYTES, decode, encode};
use crate::domain::{IssuanceStatus, IssuedCoupon, MemberId, Timestamp, Traceparent};
use crate::ports::CouponIssued;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn event(member: &str, sequence: u32, ms: i64, status: IssuanceStatus, traced: bool) -> CouponIssued {
    let issued_at = Timestamp::from_ms(ms);
    CouponIssued {
        issuance: IssuedCoupon { status, issued_at, ..IssuedCoupon::sample("drop", member, sequence) },
        traceparent: traced.then(|| Traceparent::parse(TRACE).unwrap()),
    }
}

fn kim() -> CouponIssued {
    event("kim", 42, 1_795_226_400_123, IssuanceStatus::Unused, true)
}

fn changed(path: &str, to: Value) -> Vec<u8> {
    let mut message: Value = serde_json::from_slice(&encode(&kim())).unwrap();
    *message.pointer_mut(path).unwrap() = to;
    serde_json::to_vec(&message).unwrap()
}

#[test]
fn a_message_is_a_cloud_event() {
    let message: Value = serde_json::from_slice(&encode(&kim())).unwrap();
    let code = kim().issuance.code.to_string();
    let expected = json!({
        "specversion": "1.0", "id": code, "source": "/openrun/coupons/drop", "type": "openrun.coupon.issued.v1",
        "subject": "kim", "time": "2026-11-21T02:00:00.123Z", "datacontenttype": "application/json",
        "sequence": "0000000042", "traceparent": TRACE,
        "data": {"coupon_id": "drop", "member_id": "kim", "sequence": 42, "code": code, "status": "UNUSED",
            "issued_at": "2026-11-21T02:00:00.123Z"},
    });
    assert_eq!(message, expected);
}

#[test]
fn a_wrong_known_attribute_is_refused_with_a_reason() {
    for (path, to, word) in [
        ("/specversion", json!("0.3"), "specversion"),
        ("/type", json!("openrun.coupon.issued.v2"), "type"),
        ("/id", json!("00000-00000-00000-00000"), "id"),
        ("/source", json!("/openrun/coupons/other"), "source"),
        ("/subject", json!("lee"), "subject"),
        ("/time", json!("2026-11-21T02:00:00.124Z"), "time"),
        ("/sequence", json!("42"), "sequence"),
        ("/datacontenttype", json!("text/plain"), "datacontenttype"),
        ("/data", json!([1]), "shape"),
        ("/data/coupon_id", json!("a b"), "coupon_id"),
        ("/data/member_id", json!("a\u{0}b"), "member_id"),
        ("/data/sequence", json!(0), "sequence"),
        ("/data/sequence", json!(-1), "shape"),
        ("/data/sequence", json!(4_294_967_296_u64), "shape"),
        ("/data/code", json!("guess"), "code"),
        ("/data/status", json!("unused"), "status"),
        ("/data/issued_at", json!("yesterday"), "RFC 3339"),
    ] {
        let reason = decode(Some(CONTENT_TYPE), &changed(path, to)).unwrap_err();
        assert!(reason.contains(word), "{path}: {reason}");
    }
}

#[test]
fn garbage_is_refused_with_a_reason() {
    let huge = vec![b' '; MAX_MESSAGE_BYTES + 1];
    for garbage in [&b""[..], b"{", b"[]", b"null", b"\xff\xfe", b"{\"specversion\":\"1.0\"}", &huge] {
        assert!(!decode(None, garbage).unwrap_err().is_empty());
    }
    assert!(decode(Some("text/plain"), &encode(&kim())).unwrap_err().contains("content type"));
}

#[test]
fn unknown_attributes_and_absent_optional_ones_are_accepted() {
    let mut message: Value = serde_json::from_slice(&encode(&kim())).unwrap();
    message["partitionkey"] = json!("drop");
    message.as_object_mut().unwrap().remove("datacontenttype");
    let bytes = serde_json::to_vec(&message).unwrap();
    assert_eq!(decode(Some("application/cloudevents+json; charset=utf-8"), &bytes), Ok(kim()));
}

#[test]
fn an_invalid_trace_context_is_ignored() {
    let expected = CouponIssued { traceparent: None, ..kim() };
    assert_eq!(decode(None, &changed("/traceparent", json!("nonsense"))), Ok(expected));
}

proptest! {
    #[test]
    fn an_encoded_event_decodes_to_itself(
        member in "[^\\p{C}\\p{Z}]{1,128}",
        sequence in 1u32..,
        ms in 0..=253_402_300_799_999i64,
        status in prop::sample::select(vec![IssuanceStatus::Unused, IssuanceStatus::Used, IssuanceStatus::Expired]),
        traced: bool,
    ) {
        prop_assume!(MemberId::parse(&member).is_ok());
        let event = event(&member, sequence, ms, status, traced);
        let bytes = encode(&event);
        prop_assert!(bytes.len() <= MAX_MESSAGE_BYTES);
        prop_assert_eq!(decode(Some(CONTENT_TYPE), &bytes), Ok(event));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        decode(None, &bytes).ok();
    }
}
