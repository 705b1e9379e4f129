//! SIGTERM: accepted requests are answered, and then the node ends even if clients keep connections open.

use std::time::{Duration, Instant};

use crate::arrange::{Api, Engine, issuances, on_both_engines, until};
use crate::raw::{Raw, head};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

/// The shutdown timeout of the nodes.
const SHUTDOWN_S: u64 = 12;
/// Margin for a busy machine.
const MARGIN: Duration = Duration::from_secs(8);
const BODY: &str = r#"{"member_id":"kim"}"#;
const JSON: &str = "Content-Type: application/json";

on_both_engines! { requests_in_flight_are_answered, idle_connections_do_not_delay_the_end }

async fn started(engine: Engine) -> (NodeProcess, Api) {
    crate::arrange::started(engine.builder().await.set("OPENRUN_SHUTDOWN_TIMEOUT", SHUTDOWN_S.to_string()))
        .await
}

/// Waits for the end of a node that got SIGTERM at `asked`.
async fn assert_ends_in_time(node: &mut NodeProcess, asked: Instant) {
    assert_eq!(node.ended().await, Some(0), "{}", node.log());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(SHUTDOWN_S) + MARGIN, "it took {took:?}:\n{}", node.log());
}

async fn requests_in_flight_are_answered(engine: Engine) {
    let (mut node, api) = started(engine).await;
    let id = api.coupon(2).await;
    let mut raw = Raw::connect(node.address()).await;
    let length = format!("Content-Length: {}", BODY.len());
    let headers = [JSON, length.as_str(), "Expect: 100-continue"];
    let request = head("POST", &issuances(&id), &headers).replace("Connection: close\r\n", "");
    assert!(raw.write(request.as_bytes()).await);
    raw.await_continue().await;
    assert!(raw.write(&BODY.as_bytes()[..7]).await);
    let asked = Instant::now();
    node.ask_to_end();
    let log = || node.log();
    until("SIGTERM is logged", MARGIN, async || log().contains("SIGTERM")).await;
    assert!(raw.write(&BODY.as_bytes()[7..]).await, "the connection is open");
    // The node closes the connection although the client asked to keep it.
    let answer = raw.until_closed().await.expect("a response");
    assert_eq!(answer.json(201)["member_id"], "kim");
    assert_ends_in_time(&mut node, asked).await;

    node.restart().await;
    let api = Api::of(&node);
    assert_eq!(api.issue(&id, "kim").await.json(200), answer.json(201), "the same issuance");
}

async fn idle_connections_do_not_delay_the_end(engine: Engine) {
    let (mut node, api) = started(engine).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut raw = Raw::connect(node.address()).await;
        raw.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(raw.read_response().await.status, 200);
        idle.push(raw);
        // A connection without a request is idle as well.
        idle.push(Raw::connect(node.address()).await);
    }
    assert_eq!(api.get("/livez").await.status, 200);
    let asked = Instant::now();
    node.ask_to_end();
    assert_ends_in_time(&mut node, asked).await;
    for raw in idle {
        assert!(raw.until_closed().await.is_none(), "no response without a request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_requests_that_wait_for_redis_are_answered_when_it_returns() {
    let (redis, mut node, api) = with_redis().await;
    let id = api.coupon(9).await;
    api.issue(&id, "first").await.json(201);
    redis.pause();
    let waiting = tokio::spawn({
        let (api, id) = (api.clone(), id.clone());
        async move { api.issue(&id, "kim").await }
    });
    let metric = "openrun_waiting_members";
    until("kim waits", MARGIN, async || api.metric(metric).await > 0.5 || waiting.is_finished()).await;
    let asked = Instant::now();
    node.ask_to_end();
    let log = || node.log();
    until("SIGTERM is logged", MARGIN, async || log().contains("SIGTERM")).await;
    redis.resume();
    let answer = waiting.await.expect("the task does not panic");
    if answer.status != 201 {
        answer.problem(503, "outcome_unknown");
    }
    assert_ends_in_time(&mut node, asked).await;
    node.restart().await;
    let again = Api::of(&node).issue(&id, "kim").await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
    if answer.status == 201 {
        assert_eq!(again.json(200), answer.json(201));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_a_frozen_redis_does_not_delay_the_end() {
    let (redis, mut node, api) = with_redis().await;
    let id = api.coupon(9).await;
    api.issue(&id, "first").await.json(201);
    redis.pause();
    let waiting = tokio::spawn({
        let (api, id) = (api.clone(), id.clone());
        async move { api.issue(&id, "kim").await }
    });
    let metric = "openrun_waiting_members";
    until("kim waits", MARGIN, async || api.metric(metric).await > 0.5 || waiting.is_finished()).await;
    let asked = Instant::now();
    node.ask_to_end();
    waiting.await.expect("the task does not panic").problem(503, "outcome_unknown");
    assert_ends_in_time(&mut node, asked).await;
    redis.resume();
    node.restart().await;
    let again = Api::of(&node).issue(&id, "kim").await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
}

async fn with_redis() -> (PrivateRedis, NodeProcess, Api) {
    let redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node =
        NodeProcess::redis_lua(&stack).set("OPENRUN_SHUTDOWN_TIMEOUT", SHUTDOWN_S.to_string()).start().await;
    let api = Api::of(&node);
    (redis, node, api)
}
