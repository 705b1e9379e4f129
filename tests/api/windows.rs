//! Sale periods: coupons that open and close at their times.

use openrun::domain::Timestamp;
use serde_json::json;

use crate::arrange::{Api, EVENT_BOUND, Engine, on_every_engine, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::shared::{connect_redis, coupon_id};

on_every_engine! {
    before_the_opening_the_response_contains_its_time,
    a_coupon_opens_by_itself,
    a_coupon_closes_by_itself,
}

/// The moment `ms` milliseconds from now.
fn in_ms(ms: i64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later");
    Timestamp::from_ms(i64::try_from(since.as_millis()).expect("it is not that late")).plus_ms(ms).to_string()
}

async fn before_the_opening_the_response_contains_its_time(engine: Engine) {
    let (_node, api) = engine.node().await;
    let opens_at = in_ms(3_600_000);
    let id = api.coupon_of(&json!({ "total": 1, "opens_at": opens_at })).await;
    // The engine or the gate answers the first request, the gate answers the others.
    for _ in 0..3 {
        let answer = api.issue(&id, "kim").await;
        assert_eq!(answer.problem(409, "not_open")["opens_at"], opens_at.as_str());
        assert_eq!(
            answer.header("retry-after"),
            "60",
            "the upper bound, because an operator may move the opening"
        );
    }
    assert_eq!(api.show(&id).await["state"], "not_open");
    // The operator opens it earlier.
    api.patch(&id, &json!({ "opens_at": "2026-01-01T00:00:00Z" })).await.json(200);
    until("it opens", EVENT_BOUND, async || api.issue(&id, "kim").await.status == 201).await;
}

async fn a_coupon_opens_by_itself(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon_of(&json!({ "total": 1, "opens_at": in_ms(3_000) })).await;
    let early = api.issue(&id, "kim").await;
    early.problem(409, "not_open");
    let wait_s: u64 = early.header("retry-after").parse().expect("it is a number");
    assert!((1..=3).contains(&wait_s), "{wait_s}");
    until("it opens", EVENT_BOUND, async || {
        let answer = api.issue(&id, "kim").await;
        if answer.status != 201 {
            answer.problem(409, "not_open");
        }
        answer.status == 201
    })
    .await;
    assert_eq!(api.show(&id).await["state"], "sold_out");
}

async fn a_coupon_closes_by_itself(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let body = json!({ "id": id, "total": 1_000_000, "closes_at": in_ms(5_000) });
    api.post("/v1/coupons", &body).await.json(201);
    let issuance = api.issue(&id, "kim").await.json(201);
    let mut number = 0;
    until("it closes", EVENT_BOUND, async || {
        number += 1;
        let answer = api.issue(&id, &format!("member-{number}")).await;
        if answer.status != 201 {
            answer.problem(409, "closed");
        }
        answer.status == 409
    })
    .await;
    assert_eq!(api.show(&id).await["state"], "closed");
    assert_eq!(api.issue(&id, "kim").await.json(200), issuance);
    api.issue(&id, "too-late").await.problem(409, "closed");
}

/// The test moves the opening into the future, which has the same effect as a clock that is set back.
#[tokio::test]
async fn a_holder_gets_its_issuance_although_the_clock_of_redis_was_set_back() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    let id = api.coupon(3).await;
    let issuance = api.issue(&id, "kim").await.json(201);
    let mut redis = connect_redis(&stack.redis_url).await;
    let mut command = redis::cmd("HSET");
    let opens_at_ms = Timestamp::from_ms(4_000_000_000_000).as_ms();
    command.arg(format!("coupon:{{{id}}}:meta")).arg("opens_at_ms").arg(opens_at_ms);
    command.query_async::<()>(&mut redis).await.expect("it is a hash");
    // The response to a change is sent once the gate has the new standing.
    api.patch(&id, &json!({ "total": 4 })).await.json(200);
    assert_eq!(api.show(&id).await["state"], "not_open");
    assert_eq!(api.issue(&id, "kim").await.json(200), issuance);
    api.issue(&id, "lee").await.problem(409, "not_open");
}
