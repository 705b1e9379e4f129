//! Slow clients: a limit passes, and the connection is closed.

use std::time::Duration;

use crate::arrange::{Engine, issuances};
use crate::raw::Raw;

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn endless_headers_end_the_connection() {
    let (node, api) = Engine::Embedded.node().await;
    let silent = async {
        let raw = Raw::connect(node.address()).await;
        assert!(raw.until_closed().await.is_none_or(|answer| answer.status == 408));
    };
    let halting = async {
        let mut raw = Raw::connect(node.address()).await;
        raw.write(b"GET /livez HTTP/1.1\r\nHost: local").await;
        assert!(raw.until_closed().await.is_none_or(|answer| answer.status == 408));
    };
    let dripping = async {
        let mut raw = Raw::connect(node.address()).await;
        raw.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").await;
        for number in 0..600 {
            if !raw.write(format!("X-{number}: y\r\n").as_bytes()).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the node accepts slow headers for thirty seconds");
    };
    tokio::join!(silent, halting, dripping);
    api.get("/livez").await;
}

#[tokio::test]
async fn an_endless_body_is_refused_and_ends_the_connection() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(5).await;
    let path = issuances(&id);
    let halting = async |framing: &str, start: &str| {
        let mut raw = Raw::connect(node.address()).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{JSON}{framing}\r\n\r\n{start}");
        raw.write(head.as_bytes()).await;
        raw.until_closed().await.expect("a response").problem(408, "body_too_slow");
    };
    let dripping = async {
        let mut raw = Raw::connect(node.address()).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 1000\r\n\r\n");
        raw.write(head.as_bytes()).await;
        for _ in 0..600 {
            if !raw.write(b" ").await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the node accepts a slow body for thirty seconds");
    };
    tokio::join!(
        halting("Content-Length: 100", r#"{"member_id":"kim"}"#),
        halting("Content-Length: 19", ""),
        halting("Transfer-Encoding: chunked", "13\r\n{\"member_id\":\"kim\"}\r\n"),
        dripping,
    );
    assert_eq!(api.issued(&id).await, 0);
}

#[tokio::test]
async fn aborted_requests_do_no_harm() {
    let (node, api) = Engine::Embedded.node().await;
    let id = api.coupon(5).await;
    for end in [0, 10, 40, 90, 120] {
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 19\r\n\r\n{{\"member_id\":\"kim\"}}",
            issuances(&id)
        );
        let mut raw = Raw::connect(node.address()).await;
        raw.write(&request.as_bytes()[..end.min(request.len())]).await;
    }
    assert_eq!(api.issued(&id).await, 0, "an incomplete request issues nothing");
    api.ask(&id, "lee").await.json(201);
}
