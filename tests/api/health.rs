//! Liveness, readiness and metrics of a node.

use serde_json::json;

use crate::arrange::{Api, EVENT_BOUND, Engine, on_every_engine, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::services::PrivateRedis;

on_every_engine! {
    a_serving_node_is_live_and_ready,
    every_answer_is_counted_under_its_outcome,
}

async fn a_serving_node_is_live_and_ready(engine: Engine) {
    let (mut node, api) = engine.node().await;
    for (path, body) in [("/livez", "ok\n"), ("/readyz", "ready\n")] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, body));
        assert!(answer.header("content-type").starts_with("text/plain"), "{path}: {:?}", answer.headers);
    }
    assert_eq!(node.terminate().await, Some(0));
}

async fn every_answer_is_counted_under_its_outcome(engine: Engine) {
    let (_node, api) = engine.node().await;
    let metrics = api.get("/metrics").await;
    assert_eq!(
        (metrics.status, metrics.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let count = async |outcome: &str| {
        api.metric(&format!("openrun_issue_requests_total{{outcome=\"{outcome}\"}}")).await
    };
    let (id, later) = (
        api.coupon(1).await,
        api.coupon_of(&json!({ "total": 1, "opens_at": "2199-01-01T00:00:00Z" })).await,
    );
    let paused = api.coupon(1).await;
    for (coupon, member, outcome) in [
        (&id, "kim", "issued"),
        (&id, "kim", "again"),
        (&id, "lee", "sold_out"),
        (&later, "kim", "not_open"),
        (&id, "", "invalid"),
        (&"nothing-here".to_owned(), "kim", "invalid"),
    ] {
        let before = count(outcome).await;
        api.ask(coupon, member).await;
        assert_eq!(count(outcome).await - before, 1.0, "{outcome}");
    }
    for (call, outcome) in [("pause", "paused"), ("close", "closed")] {
        api.call(&paused, call).await.json(200);
        let before = count(outcome).await;
        api.ask(&paused, "kim").await;
        assert_eq!(count(outcome).await - before, 1.0, "{outcome}");
    }
    assert_eq!(api.metric("openrun_issue_seconds_count").await, 8.0);
    assert!(api.metric("openrun_engine_seconds_count").await >= 2.0);
    api.until_halted(&id).await;
    let remaining = format!("openrun_coupons_remaining{{coupon=\"{later}\"}}");
    until("the metric of the remaining stock", EVENT_BOUND, async || api.metric(&remaining).await > 0.5)
        .await;
    if engine.is_on_the_full_stack() {
        for name in ["openrun_published_total", "openrun_persisted_total"] {
            until(name, EVENT_BOUND, async || api.metric(name).await > 0.5).await;
        }
    }
}

#[tokio::test]
async fn private_a_node_is_not_ready_while_redis_is_away() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    assert_eq!(api.get("/readyz").await.status, 200);

    redis.pause();
    api.get("/readyz").await.problem(503, "unavailable");
    assert_eq!(api.get("/livez").await.status, 200, "the node is live without Redis");
    redis.resume();
    until("readiness", EVENT_BOUND, async || api.get("/readyz").await.status == 200).await;

    redis.stop().await;
    api.get("/readyz").await.problem(503, "unavailable");
    assert_eq!(api.get("/livez").await.status, 200);
    redis.restart().await;
    until("readiness", EVENT_BOUND, async || api.get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn private_operators_get_unavailable_while_redis_is_away() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    let id = api.coupon(2).await;
    redis.stop().await;
    for call in ["pause", "close"] {
        api.call(&id, call).await.problem(503, "unavailable");
    }
    api.patch(&id, &json!({ "total": 9 })).await.problem(503, "unavailable");
    api.post("/v1/coupons", &json!({ "id": "another", "total": 1 })).await.problem(503, "unavailable");
    until("the end of fresh data", EVENT_BOUND, async || {
        let shown = api.get(&format!("/v1/coupons/{id}")).await;
        if shown.status != 200 {
            shown.problem(503, "unavailable");
        }
        shown.status == 503
    })
    .await;
    let found = api.get(&format!("/v1/coupons/{id}/issuances/kim")).await;
    found.problem(503, "unavailable");
    redis.restart().await;
    until("an issuance after the outage", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 201)
        .await;
    // A call that was answered 503 may be repeated.
    let again = api.post("/v1/coupons", &json!({ "id": "another", "total": 1 })).await;
    assert!(matches!(again.status, 200 | 201), "{}", again.text());
    // The gate may have been `recovering` for a moment, because the engine did not know the coupon for so long.
    until("an issuance", EVENT_BOUND, async || api.ask("another", "kim").await.status == 201).await;
}
