//! Invalid bodies of issue requests: each gets the fitting problem, and no coupon is issued.

use reqwest::Method;

use crate::arrange::{Answer, Api, Engine, issuances, on_both_engines};
use crate::raw::{exchange, head};

/// The largest body, in bytes.
const BODY_MAX: usize = 16 * 1024;

on_both_engines! {
    an_invalid_body_is_refused,
    only_a_body_declared_as_json_is_read,
    a_body_over_the_limit_is_refused,
}

async fn post(api: &Api, coupon: &str, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let request = api.request(Method::POST, &issuances(coupon)).body(body.into());
    Answer::to(match content_type {
        Some(content_type) => request.header("content-type", content_type),
        None => request,
    })
    .await
}

async fn an_invalid_body_is_refused(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(10).await;
    let deep_list = "[".repeat(8_000);
    let deep_object = format!("{}1{}", r#"{"member_id":"#.repeat(500), "}".repeat(500));
    let huge_number = format!(r#"{{"member_id":{}}}"#, "9".repeat(10_000));
    let wrong: Vec<&[u8]> = vec![
        b"",
        b" ",
        b"member_id=kim",
        b"{",
        b"{}",
        b"null",
        b"true",
        b"42",
        b"\"kim\"",
        b"[]",
        br#"["kim"]"#,
        br#"[{"member_id":"kim"}]"#,
        br#"{"member_id":null}"#,
        br#"{"member_id":42}"#,
        br#"{"member_id":true}"#,
        br#"{"member_id":["kim"]}"#,
        br#"{"member_id":{"id":"kim"}}"#,
        br#"{"member_id":1e999}"#,
        br#"{"member":"kim"}"#,
        br#"{"Member_Id":"kim"}"#,
        br#"{"member_id":"kim","amount":2}"#,
        br#"{"member_id":"kim","member_id":"kim"}"#,
        br#"{"member_id":"kim","member_id":"lee"}"#,
        br#"{"member_id":"kim"} {"member_id":"lee"}"#,
        br#"{"member_id":"kim"}x"#,
        br#"{"member_id":"kim",}"#,
        br#"{'member_id':'kim'}"#,
        b"{\"member_id\":\"kim\"/* why */}",
        b"\xef\xbb\xbf{\"member_id\":\"kim\"}",
        b"{\"member_id\":\"\xff\xfe\"}",
        b"{\"member_id\":\"\xc3\x28\"}",
        b"{\"member_id\":\"a\nb\"}",
        br#"{"member_id":"\ud800"}"#,
        br#"{"member_id":"\x41"}"#,
        b"\0\0\0\0",
        deep_list.as_bytes(),
        deep_object.as_bytes(),
        huge_number.as_bytes(),
    ];
    for body in wrong {
        let text = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = post(&api, &id, Some("application/json"), body).await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.text());
        answer.problem(400, "invalid_body");
        assert!(answer.body.len() < 1_000, "the response does not repeat the body: {text}");
        assert_eq!(api.issued(&id).await, 0, "{text}");
    }
    // Spaces and escapes are valid.
    let spaced = b" \r\n{ \"member\\u005fid\" :\t\"k\\u0069m\" }\n";
    assert_eq!(post(&api, &id, Some("application/json"), *spaced).await.json(201)["member_id"], "kim");
}

async fn only_a_body_declared_as_json_is_read(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(10).await;
    let body = r#"{"member_id":"kim"}"#;
    for wrong in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/json"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonx"),
        Some("application/json, text/plain"),
        Some("application/problem+json"),
        Some("*/*"),
    ] {
        post(&api, &id, wrong, body).await.problem(415, "unsupported_media_type");
    }
    assert_eq!(api.issued(&id).await, 0);
    let plain = api.request(Method::POST, "/v1/coupons").header("content-type", "text/plain");
    Answer::to(plain.body(r#"{"id":"x","total":1}"#)).await.problem(415, "unsupported_media_type");
    let plain = api.request(Method::PATCH, &format!("/v1/coupons/{id}")).header("content-type", "text/plain");
    Answer::to(plain.body(r#"{"total":1}"#)).await.problem(415, "unsupported_media_type");
    post(&api, &id, Some("application/json; charset=utf-8"), body).await.json(201);
    post(&api, &id, Some("Application/JSON;x=y"), body).await.json(200);
}

async fn a_body_over_the_limit_is_refused(engine: Engine) {
    let (node, api) = engine.node().await;
    let id = api.coupon(10).await;
    let padded = |length: usize| {
        let mut body = br#"{"member_id":"kim"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    for length in [BODY_MAX + 1, BODY_MAX * 2, 1024 * 1024] {
        post(&api, &id, Some("application/json"), padded(length)).await.problem(413, "body_too_large");
    }
    // The announced length is refused before any byte of the body arrives.
    let (json, length) = ("Content-Type: application/json", format!("Content-Length: {}", u64::MAX));
    let announced = head("POST", &issuances(&id), &[json, &length]);
    let answer = exchange(node.address(), announced).await.expect("a response");
    answer.problem(413, "body_too_large");
    // A chunked body is refused when it exceeds the limit, in many chunks or in one.
    for (pieces, length) in [(BODY_MAX / 64 + 1, 64), (1, BODY_MAX + 1)] {
        let mut request = head("POST", &issuances(&id), &[json, "Transfer-Encoding: chunked"]).into_bytes();
        for _ in 0..pieces {
            request.extend_from_slice(format!("{length:x}\r\n").as_bytes());
            request.extend_from_slice(&vec![b' '; length]);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let answer = exchange(node.address(), request).await.expect("a response");
        answer.problem(413, "body_too_large");
    }
    assert_eq!(api.issued(&id).await, 0);
    post(&api, &id, Some("application/json"), padded(BODY_MAX)).await.json(201);
    let chunked = format!(
        "{}5\r\n{{\"mem\r\ne\r\nber_id\":\"lee\"}}\r\n0\r\n\r\n",
        head("POST", &issuances(&id), &[json, "Transfer-Encoding: chunked"])
    );
    exchange(node.address(), chunked).await.expect("a response").json(201);
}
