//! Tests of how answers are parsed.

use http_body_util::BodyExt;

use super::*;

const ISSUANCE: &str = r#"{"coupon_id":"c","member_id":"m1","sequence":7,"code":"AB","status":"issued",
    "issued_at":"2026-11-20T10:00:00Z","ack":"granted"}"#;

fn reply(status: u16, body: &'static str) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[test]
fn issued_and_repeated_coupons_are_distinguished() {
    let issuance =
        || Issuance { coupon_id: "c".into(), member_id: "m1".into(), sequence: 7, code: "AB".into() };
    assert_eq!(Answer::parse(&reply(201, ISSUANCE)), Answer::Issued(issuance()));
    assert_eq!(Answer::parse(&reply(200, ISSUANCE)), Answer::Repeated(issuance()));
}

#[test]
fn a_rejection_is_read_from_its_code_alone() {
    let body =
        r#"{"type":"about:blank","title":"Sold out","status":409,"code":"sold_out","detail":"All of them."}"#;
    assert_eq!(Answer::parse(&reply(409, body)), Answer::Rejected(Rejection::SoldOut));
    assert_eq!(Answer::parse(&reply(409, r#"{"code":"not_open"}"#)), Answer::Rejected(Rejection::NotOpen));
    assert_eq!(Answer::parse(&reply(409, r#"{"code":"closed"}"#)), Answer::Rejected(Rejection::Closed));
}

#[test]
fn the_delay_of_a_shed_request_is_kept() {
    let mut shed = reply(503, r#"{"code":"overloaded"}"#);
    shed.retry_after = Some(Duration::from_secs(2));
    assert_eq!(Answer::parse(&shed), Answer::Shed { retry_after: Some(Duration::from_secs(2)) });
    assert_eq!(Answer::parse(&reply(429, "")), Answer::Shed { retry_after: None });
}

#[test]
fn a_closed_idle_connection_is_no_answer() {
    assert_eq!(Answer::parse(&reply(408, "")), Answer::ConnectionClosed);
}

#[test]
fn an_answer_outside_of_the_contract_is_unexpected() {
    for (status, body, retryable) in [
        (409, r#"{"code":"because"}"#, false),
        (409, "no", false),
        (201, "{}", false),
        (400, "", false),
        (404, "", false),
        (500, "oops", true),
    ] {
        let answer = reply(status, body);
        let Answer::Unexpected { description, is_retryable } = Answer::parse(&answer) else {
            panic!("{status} {body} was taken for an answer");
        };
        assert!(description.starts_with(&status.to_string()) && description.ends_with(body));
        assert_eq!(is_retryable, retryable, "{status}");
    }
}

#[test]
fn a_long_answer_is_truncated_in_the_description() {
    let mut long = reply(400, "");
    long.body = Bytes::from("é".repeat(10_000));
    let Answer::Unexpected { description, .. } = Answer::parse(&long) else {
        panic!("400 was taken for an answer")
    };
    assert!(description.chars().count() < EXCERPT_CHARS + 40);
}

#[tokio::test]
async fn a_request_names_its_member_as_json() {
    let target = Target::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
    let requests = IssueRequests::new(&target, "spring", "a\"b-").unwrap();
    let request = requests.for_member(12);
    assert_eq!(request.uri(), "/v1/coupons/spring/issuances");
    assert_eq!(request.headers()[HOST], "127.0.0.1:80");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, serde_json::json!({"member_id": "a\"b-12"}));
}

#[test]
fn a_coupon_id_is_safe_inside_a_path() {
    assert!(is_coupon_id("Spring_2026-a"));
    assert!(!is_coupon_id(""));
    assert!(!is_coupon_id("a/b"));
    assert!(!is_coupon_id("a b"));
    assert!(!is_coupon_id(&"a".repeat(65)));
}
