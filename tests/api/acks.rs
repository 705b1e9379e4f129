//! Ack levels: preferences of clients, the level of the response, and the bound on waiting members.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::arrange::{
    Answer, Api, EVENT_BOUND, Engine, issuance_of, issuances, on_every_engine, started, until,
};
use crate::program::run;

on_every_engine! {
    a_request_can_prefer_a_higher_level,
    levels_below_the_deployments_own_are_ignored,
    malformed_preferences_are_ignored,
}

async fn issue(api: &Api, coupon: &str, member: &str, prefer: &str) -> Answer {
    let request = api.request(Method::POST, &issuances(coupon)).header("Prefer", prefer);
    Answer::to(request.json(&json!({ "member_id": member }))).await
}

#[track_caller]
fn assert_acknowledged(answer: &Answer, status: u16, ack: &str, applied: &str) -> Value {
    let body = answer.json(status);
    assert_eq!(body["ack"], ack, "{body}");
    assert_eq!(answer.header("preference-applied"), applied, "{:?}", answer.headers);
    body
}

async fn a_request_can_prefer_a_higher_level(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let first = assert_acknowledged(
        &issue(&api, &id, "kim", "ack=persisted").await,
        201,
        "persisted",
        "ack=persisted",
    );
    for level in ["queued", "granted", "persisted"] {
        let preferred = format!("ack={level}");
        let again = assert_acknowledged(&issue(&api, &id, "kim", &preferred).await, 200, level, &preferred);
        assert_eq!(again["code"], first["code"]);
    }
    assert_acknowledged(
        &issue(&api, &id, "lee", "respond-async, ACK=\"queued\";x=y").await,
        201,
        "queued",
        "ack=queued",
    );
    assert_acknowledged(&api.issue(&id, "lee").await, 200, "granted", "");
    // A rejection has no ack level.
    let sold_out = issue(&api, &id, "max", "ack=persisted").await;
    sold_out.problem(409, "sold_out");
    assert_eq!(sold_out.header("preference-applied"), "");
}

async fn levels_below_the_deployments_own_are_ignored(engine: Engine) {
    let (_node, api) = started(engine.builder().await.set("OPENRUN_ACK", "queued")).await;
    let id = api.coupon(2).await;
    assert_acknowledged(&api.issue(&id, "kim").await, 201, "queued", "");
    assert_acknowledged(&issue(&api, &id, "kim", "ack=granted").await, 200, "queued", "");
    assert_acknowledged(&issue(&api, &id, "kim", "ack=queued").await, 200, "queued", "ack=queued");
    assert_acknowledged(&issue(&api, &id, "lee", "ack=persisted").await, 201, "persisted", "ack=persisted");
    let looked_up = api.get(&issuance_of(&id, "lee")).await.json(200);
    assert_eq!(looked_up["ack"], "queued", "a look-up waits for the same level as an issue request");
}

async fn malformed_preferences_are_ignored(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    assert_acknowledged(&issue(&api, &id, "kim", "ack=yes").await, 201, "granted", "");
    for malformed in ["ack", "ack=", "ack=\"", "wait=5", "ack=PERSISTED", "=,;\"", "ack=yes, ack=persisted"] {
        assert_acknowledged(&issue(&api, &id, "kim", malformed).await, 200, "granted", "");
    }
}

#[tokio::test]
async fn an_unknown_level_is_refused_at_the_start() {
    for command in ["serve", "demo"] {
        let line = run(&[command], &[("OPENRUN_ACK", "foo")]).await.one_line(2);
        assert!(["OPENRUN_ACK", "foo", "persisted"].iter().all(|word| line.contains(word)), "{line}");
    }
    run(&["serve", "--ack", ""], &[]).await.one_line(2);
}

#[tokio::test]
async fn the_document_describes_the_preference() {
    let (_node, api) = Engine::Embedded.node().await;
    let document = api.get("/openapi.json").await.json(200);
    let call = &document["paths"]["/v1/coupons/{coupon_id}/issuances"]["post"];
    let parameters = call["parameters"].as_array().expect("a list");
    let prefer = parameters.iter().find(|parameter| parameter["name"] == "Prefer").expect("it is there");
    assert_eq!((&prefer["in"], &prefer["required"]), (&json!("header"), &json!(false)));
    assert!(prefer["description"].as_str().is_some_and(|text| text.contains("ack=persisted")), "{prefer}");
    for status in ["200", "201"] {
        assert!(call["responses"][status]["headers"]["Preference-Applied"].is_object(), "{call}");
    }
    let unavailable = call["responses"]["503"]["description"].as_str();
    assert!(unavailable.is_some_and(|text| text.contains("`ack_pending`")), "{unavailable:?}");
}

const WAIT: usize = 5;

/// Requests that wait for `persisted`, which a node without a persister never reaches.
fn send_waiting_requests(api: &Api, coupon: &str) -> JoinSet<Answer> {
    let mut waiting = JoinSet::new();
    for member in 0..WAIT {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        waiting
            .spawn(async move { issue(&api, &coupon, &format!("member-{member}"), "ack=persisted").await });
    }
    waiting
}

async fn until_waiting(api: &Api, count: usize) {
    until("the number of waiting members", EVENT_BOUND, async || {
        let waiting = api.metric("openrun_ack_waiting_members").await;
        (waiting - count as f64).abs() < 0.5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_members_are_limited_and_a_closed_connection_makes_room() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    // Longer than the test takes.
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(100).await;
    let waiting = send_waiting_requests(&api, &id);
    until_waiting(&api, WAIT).await;
    let issued = api.issued(&id).await;
    issue(&api, &id, "late", "ack=persisted").await.problem(503, "overloaded");
    assert_eq!(api.issued(&id).await, issued, "a refused request was not decided");
    // A request for `granted` does not wait.
    assert_acknowledged(&api.issue(&id, "other").await, 201, "granted", "");
    // The limit is per coupon.
    let other = api.coupon(100).await;
    let others = send_waiting_requests(&api, &other);
    until_waiting(&api, 2 * WAIT).await;

    drop((waiting, others));
    until_waiting(&api, 0).await;
    let again = send_waiting_requests(&api, &id);
    until_waiting(&api, WAIT).await;
    assert_eq!(api.issued(&id).await, issued + 1, "the same members hold the same issuances");
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sold_out_is_answered_even_at_the_limit_of_waiting_members() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(u32::try_from(WAIT).expect("it is small")).await;
    let waiting = send_waiting_requests(&api, &id);
    until_waiting(&api, WAIT).await;
    api.until_halted(&id).await;
    issue(&api, &id, "late", "ack=persisted").await.problem(409, "sold_out");
    drop(waiting);
}
