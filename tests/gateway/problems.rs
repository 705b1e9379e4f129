//! Responses of nginx itself, in the form of the service; and invalid settings.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::Value;

use crate::gateway::{Gateway, answer};
use crate::slow::exchange;
use crate::support::ports::free_port;
use crate::support::races::http;
use crate::upstream::{Behavior, Upstream};

fn unused_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[tokio::test]
async fn without_a_node_the_outcome_of_an_issue_request_is_unknown() {
    let gateway = Gateway::before(&[unused_address(), unused_address()]).start().await;
    gateway.click("c", "kim").await.assert_problem(503, "outcome_unknown");
    gateway.get("/v1/coupons").await.assert_problem(503, "unavailable");
    gateway.operate(Method::POST, "/v1/coupons/c/pause").await.assert_problem(503, "unavailable");
}

#[tokio::test]
async fn unreadable_requests_get_a_problem() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    for (request, status, code) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "invalid_request"),
        ("GET /a b c HTTP/1.1\r\nhost: g\r\n\r\n", 400, "invalid_request"),
        ("\u{16}\u{3}\r\n\r\n", 400, "invalid_request"),
        (
            "POST /v1/coupons/c/issuances HTTP/1.1\r\nhost: g\r\ncontent-length: x\r\n\r\n",
            400,
            "invalid_request",
        ),
        (&format!("GET / HTTP/1.1\r\nhost: g\r\nx: {}\r\n\r\n", "a".repeat(9_000)), 431, "headers_too_large"),
        (&format!("GET /{} HTTP/1.1\r\nhost: g\r\n\r\n", "a".repeat(9_000)), 431, "headers_too_large"),
    ] {
        let response = exchange(gateway.public, request).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {response}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert!(head.to_lowercase().contains("\r\ncontent-type: application/problem+json"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {response}"));
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{request}");
    }
    assert_eq!(node.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_is_limited_to_the_size_that_openrun_accepts() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    let send = |bytes| {
        let url = gateway.url("/v1/coupons/c/issuances");
        answer(http().post(url).body("a".repeat(bytes)))
    };
    assert_eq!(send(16 * 1024).await.status, 201);
    send(16 * 1024 + 1).await.assert_problem(413, "body_too_large");
    assert_eq!(node.requests().len(), 1);
}

#[tokio::test]
async fn invalid_settings_are_refused_in_one_line() {
    for (name, value, message) in [
        ("GATEWAY_CLIENT_RATE", "50r/s;evil", "GATEWAY_CLIENT_RATE"),
        ("GATEWAY_CLIENT_RATE", "many", "nginx does not accept"),
        ("GATEWAY_TRUSTED_PROXIES", "everyone", "nginx does not accept"),
    ] {
        let (_folder, mut command) = Gateway::before(&[unused_address()]).set(name, value).command();
        let output = command.output().expect("the script starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {stderr}");
        let ours: Vec<&str> = stderr.lines().filter(|line| line.starts_with("gateway: ")).collect();
        assert!(matches!(ours[..], [line] if line.contains(message)), "{name}={value}: {stderr}");
    }
}
