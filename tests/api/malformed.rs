//! Invalid HTTP, and HTTP that two readers could understand differently.

use crate::arrange::{Engine, issuances};
use crate::raw::{Raw, exchange, head};

const BODY: &str = r#"{"member_id":"kim"}"#;

#[tokio::test]
async fn invalid_http_is_refused_and_the_connection_closed() {
    let (node, api) = Engine::Embedded.node().await;
    let many_headers: Vec<String> = (0..200).map(|number| format!("X-{number}: y")).collect();
    let many_headers: Vec<&str> = many_headers.iter().map(String::as_str).collect();
    for garbage in [
        b"\r\n\r\n\r\nnonsense\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client comes here by mistake\r\n\r\n".to_vec(),
        b"GET /livez\r\n\r\n".to_vec(),
        b"GET /livez HTTP/9.9\r\n\r\n".to_vec(),
        b"G\0T /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET /li vez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET /livez HTTP/1.1\r\nNo colon\r\n\r\n".to_vec(),
        b"GET /livez HTTP/1.1\r\nHost: a\0b\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        head("GET", "/livez", &many_headers).into_bytes(),
        head("GET", "/livez", &[&format!("X-Long: {}", "y".repeat(300_000))]).into_bytes(),
        head("GET", &format!("/{}", "y".repeat(300_000)), &[]).into_bytes(),
    ] {
        let text = String::from_utf8_lossy(&garbage[..garbage.len().min(60)]).into_owned();
        if let Some(answer) = exchange(node.address(), garbage).await {
            assert!((400..=505).contains(&answer.status) && answer.status != 500, "{text}: {answer:?}");
        }
        assert_eq!(api.get("/livez").await.status, 200, "after {text}");
    }
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(5).await;
    let json = "Content-Type: application/json";
    for framing in [
        vec!["Content-Length: 19", "Content-Length: 20"],
        vec!["Content-Length: 19", "Transfer-Encoding: chunked"],
        vec!["Content-Length: -19"],
        vec!["Content-Length: +19"],
        vec!["Content-Length: 19, 19"],
        vec!["Content-Length: 0x13"],
        vec!["Content-Length: 99999999999999999999999"],
        vec!["Transfer-Encoding: chunked, identity"],
        vec!["Transfer-Encoding: gzip"],
    ] {
        let headers = [vec![json], framing.clone()].concat();
        let request = format!("{}{BODY}", head("POST", &issuances(&id), &headers));
        if let Some(answer) = exchange(node.address(), request).await {
            assert!((400..500).contains(&answer.status) || answer.status == 501, "{framing:?}: {answer:?}");
        }
        assert_eq!(api.issued(&id).await, 0, "{framing:?}");
    }
    for chunks in ["zz\r\n", "13\r\n{\"member_id\":\"kim\"}xx", "ffffffffffffffffff\r\n{", "-1\r\n"] {
        let head = head("POST", &issuances(&id), &[json, "Transfer-Encoding: chunked"]);
        if let Some(answer) = exchange(node.address(), format!("{head}{chunks}\r\n0\r\n\r\n")).await {
            assert!((400..500).contains(&answer.status), "{chunks:?}: {answer:?}");
        }
        assert_eq!(api.issued(&id).await, 0, "{chunks:?}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(5).await;
    let ask = |member: &str| {
        let body = format!(r#"{{"member_id":"{member}"}}"#);
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            issuances(&id),
            body.len()
        )
    };
    let mut raw = Raw::connect(node.address()).await;
    raw.write(format!("{}{}{}", ask("a"), ask("b"), head("GET", "/livez", &[])).as_bytes()).await;
    let text = raw.until_closed().await.expect("a response").text();
    let places = ["\"member_id\":\"a\"", "\"member_id\":\"b\"", "ok\n"].map(|part| text.find(part));
    assert!(places[0].is_some() && places.is_sorted() && places[2].is_some(), "{text}");
    assert_eq!(api.issued(&id).await, 2);
}

/// Ids in a path must be text: other bytes could be read as the id of another member or coupon.
#[tokio::test]
async fn a_path_that_is_not_text_is_refused() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(5).await;
    api.ask(&id, "\u{fffd}").await.json(201);
    api.ask(&id, "%ff").await.json(201);
    for name in ["%ff", "%FF", "%c3%28", "%ed%a0%80", "%%66f", "%", "%f", "%zz", "kim%"] {
        for (method, path) in [
            ("GET", format!("/v1/coupons/{id}/issuances/{name}")),
            ("GET", format!("/v1/coupons/{name}/issuances/kim")),
            ("POST", format!("/v1/coupons/{name}/issuances")),
            ("GET", format!("/v1/coupons/{name}")),
            ("PATCH", format!("/v1/coupons/{name}")),
            ("POST", format!("/v1/coupons/{name}/pause")),
            ("GET", format!("/v1/admin/dead-letters/{name}")),
            ("GET", format!("/v1/admin/conflicts/{name}")),
            ("POST", format!("/v1/admin/actors/{name}/restart")),
            ("POST", format!("/v1/admin/lost-numbers/{name}/write-off")),
        ] {
            let answer = exchange(node.address(), head(method, &path, &[])).await;
            answer.expect("a response").problem(400, "invalid_parameter");
        }
    }
    // Unencoded bytes are invalid HTTP.
    let mut raw = format!("GET /v1/coupons/{id}/issuances/").into_bytes();
    raw.extend(b"\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    if let Some(answer) = exchange(node.address(), raw).await {
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    // Any text is a valid id.
    for (member, path) in [("\u{fffd}", "%EF%BF%BD"), ("%ff", "%25ff"), ("%ff", "%25%66%66")] {
        let found = api.get(&format!("/v1/coupons/{id}/issuances/{path}")).await.json(200);
        assert_eq!(found["member_id"], member);
    }
}
