//! SIGTERM: accepted requests are answered, and then the node exits in spite of open connections.

use std::time::{Duration, Instant};

use crate::arrange::{Api, Engine, issuances, on_both_engines, until};
use crate::raw::{Raw, head};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

/// The shutdown timeout of the nodes in this file.
const SHUTDOWN_S: u64 = 12;
/// Allowance for a busy machine.
const MARGIN: Duration = Duration::from_secs(8);
const BODY: &str = r#"{"member_id":"kim"}"#;
const JSON: &str = "Content-Type: application/json";

on_both_engines! { requests_in_flight_are_answered, idle_connections_do_not_delay_the_stop }

async fn started(engine: Engine) -> (NodeProcess, Api) {
    crate::arrange::started(engine.builder().await.set("OPENRUN_SHUTDOWN_TIMEOUT", SHUTDOWN_S.to_string()))
        .await
}

/// Waits for the exit of a node that got its signal at `start`.
async fn assert_stops_in_time(node: &mut NodeProcess, start: Instant) {
    assert_eq!(node.ended().await, Some(0), "{}", node.log());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(SHUTDOWN_S) + MARGIN, "the stop took {took:?}:\n{}", node.log());
}

async fn requests_in_flight_are_answered(engine: Engine) {
    let (mut node, api) = started(engine).await;
    let id = api.coupon(2).await;
    let mut raw = Raw::connect(node.address()).await;
    let length = format!("Content-Length: {}", BODY.len());
    let headers = [JSON, length.as_str(), "Expect: 100-continue"];
    let request = head("POST", &issuances(&id), &headers).replace("Connection: close\r\n", "");
    assert!(raw.write(request.as_bytes()).await);
    raw.until_continue().await;
    assert!(raw.write(&BODY.as_bytes()[..7]).await);
    let start = Instant::now();
    node.ask_to_end();
    let log = || node.log();
    until("the log line", MARGIN, async || log().contains("SIGTERM")).await;
    assert!(raw.write(&BODY.as_bytes()[7..]).await, "the connection is still open");
    // The node closes the connection although the client wants to keep it.
    let answer = raw.until_closed().await.expect("a response");
    assert_eq!(answer.json(201)["member_id"], "kim");
    assert_stops_in_time(&mut node, start).await;

    node.restart().await;
    let api = Api::of(&node);
    assert_eq!(api.ask(&id, "kim").await.json(200), answer.json(201), "the answer was true");
}

async fn idle_connections_do_not_delay_the_stop(engine: Engine) {
    let (mut node, api) = started(engine).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut raw = Raw::connect(node.address()).await;
        raw.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(raw.one_answer().await.status, 200);
        idle.push(raw);
        // A connection without any request is idle as well.
        idle.push(Raw::connect(node.address()).await);
    }
    assert_eq!(api.get("/livez").await.status, 200);
    let start = Instant::now();
    node.ask_to_end();
    assert_stops_in_time(&mut node, start).await;
    for raw in idle {
        assert!(raw.until_closed().await.is_none(), "no request was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_waiting_requests_are_answered_when_redis_is_back() {
    let (redis, mut node, api) = with_redis().await;
    let id = api.coupon(9).await;
    api.ask(&id, "first").await.json(201);
    redis.pause();
    let waiting = tokio::spawn({
        let (api, id) = (api.clone(), id.clone());
        async move { api.ask(&id, "kim").await }
    });
    let metric = "openrun_waiting_members";
    until("a waiting request", MARGIN, async || api.metric(metric).await > 0.5 || waiting.is_finished())
        .await;
    let start = Instant::now();
    node.ask_to_end();
    let log = || node.log();
    until("the log line", MARGIN, async || log().contains("SIGTERM")).await;
    redis.resume();
    let answer = waiting.await.expect("no panic");
    if answer.status != 201 {
        answer.problem(503, "outcome_unknown");
    }
    assert_stops_in_time(&mut node, start).await;
    node.restart().await;
    let again = Api::of(&node).ask(&id, "kim").await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
    if answer.status == 201 {
        assert_eq!(again.json(200), answer.json(201));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_a_frozen_redis_does_not_delay_the_stop() {
    let (redis, mut node, api) = with_redis().await;
    let id = api.coupon(9).await;
    api.ask(&id, "first").await.json(201);
    redis.pause();
    let waiting = tokio::spawn({
        let (api, id) = (api.clone(), id.clone());
        async move { api.ask(&id, "kim").await }
    });
    let metric = "openrun_waiting_members";
    until("a waiting request", MARGIN, async || api.metric(metric).await > 0.5 || waiting.is_finished())
        .await;
    let start = Instant::now();
    node.ask_to_end();
    waiting.await.expect("a response").problem(503, "outcome_unknown");
    assert_stops_in_time(&mut node, start).await;
    redis.resume();
    node.restart().await;
    let again = Api::of(&node).ask(&id, "kim").await;
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
