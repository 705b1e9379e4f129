//! Access: members use the public port, operators the inner one.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::gateway::{Gateway, answer};
use crate::support::node::NodeProcess;
use crate::support::races::http;
use crate::support::shared::coupon_id;
use crate::upstream::{Behavior, Upstream};

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test]
async fn members_are_served_on_the_public_port_and_operators_on_the_inner_one() {
    let node = NodeProcess::embedded().set("OPENRUN_ADMIN_TOKEN", "correct-horse-battery").start().await;
    let gateway = Gateway::before(&[node.address()]).start().await;
    let coupon = coupon_id();
    let create = |port| {
        let request = http().post(format!("http://{port}/v1/coupons")).bearer_auth("correct-horse-battery");
        answer(request.json(&json!({ "id": coupon, "total": 1 })))
    };
    create(gateway.public).await.assert_problem(403, "forbidden");
    assert_eq!(create(gateway.inner).await.status, 201);

    assert_eq!(gateway.click(&coupon, "kim").await.status, 201);
    assert_eq!(gateway.click(&coupon, "kim").await.status, 200);
    // A problem of the node passes unchanged.
    let sold_out = gateway.click(&coupon, "lee").await;
    assert_eq!((sold_out.status, &sold_out.body["code"]), (409, &json!("sold_out")));
    assert_eq!(gateway.get(&format!("/v1/coupons/{coupon}")).await.body["remaining"], 0);
    assert_eq!(gateway.get(&format!("/v1/coupons/{coupon}/issuances/kim")).await.status, 200);
    for path in ["/livez", "/readyz", "/openapi.json", "/docs/"] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }

    gateway.operate(Method::GET, "/v1/admin/actors").await.assert_problem(401, "unauthorized");
    let actors = http().get(format!("http://{}/v1/admin/actors", gateway.inner));
    assert_eq!(answer(actors.bearer_auth("correct-horse-battery")).await.status, 200);
    gateway.operate(Method::GET, "/metrics").await.assert_problem(404, "no_such_route");
}

#[tokio::test]
async fn no_spelling_of_an_operators_path_passes_the_public_port() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    for path in [
        "/metrics",
        "/%6detrics",
        "//metrics",
        "/x/../metrics",
        "/metrics?x=1",
        "/v1/admin",
        "/v1/admin/actors",
        "/v1%2fadmin/actors",
        "/v1/%61dmin/actors",
        "/v1//admin/actors",
        "/v1/coupons/..%2f../v1/admin/actors",
        "/v1/admin/events",
        "/console",
        "/console/app.js",
    ] {
        let answer = raw_get(&gateway, path).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("no_such_route"), "{path}: {answer}");
    }
    for (method, path) in [
        (Method::POST, "/v1/coupons"),
        (Method::PATCH, "/v1/coupons/x"),
        (Method::POST, "/v1/coupons/x/pause"),
        (Method::POST, "/v1/coupons/x/issuances/kim"),
        (Method::DELETE, "/v1/coupons/x/issuances"),
    ] {
        let call = answer(http().request(method.clone(), gateway.url(path))).await;
        call.assert_problem(403, "forbidden");
    }
    assert_eq!(node.requests(), Vec::<String>::new(), "no request reaches the node");
}

/// Sends the path as it is; HTTP clients would normalise it.
async fn raw_get(gateway: &Gateway, path: &str) -> String {
    crate::slow::exchange(
        gateway.public,
        &format!("GET {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_request_can_be_followed_through_the_gateway_and_its_log_has_no_member_ids() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = http()
        .get(gateway.url("/v1/coupons/c/issuances/secret-member?token=a-secret"))
        .header("traceparent", trace)
        .header("tracestate", "a=b")
        .header("x-request-id", "click-1234")
        .bearer_auth("another-secret");
    assert_eq!(answer(request).await.header("x-request-id"), "click-1234");
    let request = node.requests().remove(0);
    for header in [&*format!("traceparent: {trace}"), "tracestate: a=b", "x-request-id: click-1234"] {
        assert!(request.contains(&format!("\r\n{header}")), "{header}: {request}");
    }
    let made = answer(http().get(gateway.url("/livez")).header("x-request-id", "bad id\u{9}")).await;
    assert_eq!(made.header("x-request-id").len(), 32, "an id that could break the log is replaced");

    let lines = gateway.logged(|lines| lines.len() >= 2).await;
    let line = lines.iter().find(|line| line["request_id"] == "click-1234").expect("a log line");
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["path"], "/v1/coupons/c/issuances/:member");
    assert_eq!(line["node"], node.address.to_string());
    let text = format!("{lines:?}");
    assert!(!text.contains("secret-member") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn events_pass_the_inner_port_as_they_happen() {
    let node = Upstream::start(Behavior::Stream).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    for path in ["/v1/admin/events", "/console/events"] {
        let mut stream =
            http().get(format!("http://{}{path}", gateway.inner)).send().await.expect("an answer");
        let first =
            timeout(BOUND, stream.chunk()).await.expect("the first event arrives while the stream is open");
        assert_eq!(first.expect("a whole chunk").as_deref(), Some(&b"data: first\n\n"[..]), "{path}");
    }
    node.release();
}
