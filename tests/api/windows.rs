//! Sale periods: coupons open and close by time.

use openrun::domain::Timestamp;
use serde_json::json;

use crate::arrange::{Api, EVENT_BOUND, Engine, on_every_engine, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::shared::{connect_redis, coupon_id};

on_every_engine! {
    before_the_opening_members_get_its_time,
    a_coupon_opens_by_itself,
    a_coupon_closes_by_itself,
}

/// The time in `ms` milliseconds.
fn in_ms(ms: i64) -> String {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
    Timestamp::from_ms(i64::try_from(since.as_millis()).expect("a time that fits")).plus_ms(ms).to_string()
}

async fn before_the_opening_members_get_its_time(engine: Engine) {
    let (_node, api) = engine.node().await;
    let opens_at = in_ms(3_600_000);
    let id = api.coupon_of(&json!({ "total": 1, "opens_at": opens_at })).await;
    // The engine or the gate answers the first request, the gate later ones.
    for _ in 0..3 {
        let answer = api.ask(&id, "kim").await;
        assert_eq!(answer.problem(409, "not_open")["opens_at"], opens_at.as_str());
        assert_eq!(
            answer.header("retry-after"),
            "60",
            "the opening is an hour away, and Retry-After is at most 60 s"
        );
    }
    assert_eq!(api.shown(&id).await["state"], "not_open");
    // An operator moves the opening.
    api.patch(&id, &json!({ "opens_at": "2026-01-01T00:00:00Z" })).await.json(200);
    until("the opening", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 201).await;
}

async fn a_coupon_opens_by_itself(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon_of(&json!({ "total": 1, "opens_at": in_ms(3_000) })).await;
    let early = api.ask(&id, "kim").await;
    early.problem(409, "not_open");
    let wait_s: u64 = early.header("retry-after").parse().expect("a number");
    assert!((1..=3).contains(&wait_s), "{wait_s}");
    until("the opening", EVENT_BOUND, async || {
        let answer = api.ask(&id, "kim").await;
        if answer.status != 201 {
            answer.problem(409, "not_open");
        }
        answer.status == 201
    })
    .await;
    assert_eq!(api.shown(&id).await["state"], "sold_out");
}

async fn a_coupon_closes_by_itself(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = coupon_id();
    let body = json!({ "id": id, "total": 1_000_000, "closes_at": in_ms(5_000) });
    api.post("/v1/coupons", &body).await.json(201);
    let won = api.ask(&id, "kim").await.json(201);
    let mut number = 0;
    until("the close", EVENT_BOUND, async || {
        number += 1;
        let answer = api.ask(&id, &format!("member-{number}")).await;
        if answer.status != 201 {
            answer.problem(409, "closed");
        }
        answer.status == 409
    })
    .await;
    assert_eq!(api.shown(&id).await["state"], "closed");
    assert_eq!(api.ask(&id, "kim").await.json(200), won);
    api.ask(&id, "too-late").await.problem(409, "closed");
}

/// Moves the stored opening one hour ahead, which equals a clock that is set back by one hour.
#[tokio::test]
async fn a_holder_is_answered_after_the_clock_of_redis_is_set_back() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    let id = api.coupon(3).await;
    let won = api.ask(&id, "kim").await.json(201);
    let mut redis = connect_redis(&stack.redis_url).await;
    let mut command = redis::cmd("HSET");
    let opens_at_ms = Timestamp::from_ms(4_000_000_000_000).as_ms();
    command.arg(format!("coupon:{{{id}}}:meta")).arg("opens_at_ms").arg(opens_at_ms);
    command.query_async::<()>(&mut redis).await.expect("a hash");
    // A change is answered when the gate agrees with the engine.
    api.patch(&id, &json!({ "total": 4 })).await.json(200);
    assert_eq!(api.shown(&id).await["state"], "not_open");
    assert_eq!(api.ask(&id, "kim").await.json(200), won);
    api.ask(&id, "lee").await.problem(409, "not_open");
}
