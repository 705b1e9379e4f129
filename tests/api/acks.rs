//! Ack levels of responses: preferences, the level that is reported, and invalid preferences.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::arrange::{
    Answer, Api, EVENT_BOUND, Engine, issuance_of, issuances, on_every_engine, started, until,
};
use crate::program::run;

on_every_engine! {
    a_request_may_prefer_a_higher_level,
    a_level_below_the_deployments_is_raised,
    an_invalid_preference_is_ignored,
}

async fn ask(api: &Api, coupon: &str, member: &str, prefer: &str) -> Answer {
    let request = api.request(Method::POST, &issuances(coupon)).header("Prefer", prefer);
    Answer::to(request.json(&json!({ "member_id": member }))).await
}

#[track_caller]
fn assert_ack(answer: &Answer, status: u16, ack: &str, applied: &str) -> Value {
    let body = answer.json(status);
    assert_eq!(body["ack"], ack, "{body}");
    assert_eq!(answer.header("preference-applied"), applied, "{:?}", answer.headers);
    body
}

async fn a_request_may_prefer_a_higher_level(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let first = assert_ack(&ask(&api, &id, "kim", "ack=persisted").await, 201, "persisted", "ack=persisted");
    for level in ["queued", "granted", "persisted"] {
        let preferred = format!("ack={level}");
        let again = assert_ack(&ask(&api, &id, "kim", &preferred).await, 200, level, &preferred);
        assert_eq!(again["code"], first["code"]);
    }
    assert_ack(
        &ask(&api, &id, "lee", "respond-async, ACK=\"queued\";x=y").await,
        201,
        "queued",
        "ack=queued",
    );
    assert_ack(&api.ask(&id, "lee").await, 200, "granted", "");
    // A rejection has no ack level.
    let sold_out = ask(&api, &id, "max", "ack=persisted").await;
    sold_out.problem(409, "sold_out");
    assert_eq!(sold_out.header("preference-applied"), "");
}

async fn a_level_below_the_deployments_is_raised(engine: Engine) {
    let (_node, api) = started(engine.builder().await.set("OPENRUN_ACK", "queued")).await;
    let id = api.coupon(2).await;
    assert_ack(&api.ask(&id, "kim").await, 201, "queued", "");
    assert_ack(&ask(&api, &id, "kim", "ack=granted").await, 200, "queued", "");
    assert_ack(&ask(&api, &id, "kim", "ack=queued").await, 200, "queued", "ack=queued");
    assert_ack(&ask(&api, &id, "lee", "ack=persisted").await, 201, "persisted", "ack=persisted");
    let looked_up = api.get(&issuance_of(&id, "lee")).await.json(200);
    assert_eq!(looked_up["ack"], "queued", "a read waits for the deployment's level as well");
}

async fn an_invalid_preference_is_ignored(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    assert_ack(&ask(&api, &id, "kim", "ack=yes").await, 201, "granted", "");
    for nothing in ["ack", "ack=", "ack=\"", "wait=5", "ack=PERSISTED", "=,;\"", "ack=yes, ack=persisted"] {
        assert_ack(&ask(&api, &id, "kim", nothing).await, 200, "granted", "");
    }
}

#[tokio::test]
async fn an_unknown_level_is_a_settings_error() {
    for command in ["serve", "demo"] {
        let line = run(&[command], &[("OPENRUN_ACK", "foo")]).await.one_line(2);
        assert!(["OPENRUN_ACK", "foo", "persisted"].iter().all(|word| line.contains(word)), "{line}");
    }
    run(&["serve", "--ack", ""], &[]).await.one_line(2);
}

#[tokio::test]
async fn the_document_describes_the_prefer_header() {
    let (_node, api) = Engine::Embedded.node().await;
    let document = api.get("/openapi.json").await.json(200);
    let call = &document["paths"]["/v1/coupons/{coupon_id}/issuances"]["post"];
    let parameters = call["parameters"].as_array().expect("a list");
    let prefer =
        parameters.iter().find(|parameter| parameter["name"] == "Prefer").expect("a Prefer parameter");
    assert_eq!((&prefer["in"], &prefer["required"]), (&json!("header"), &json!(false)));
    assert!(prefer["description"].as_str().is_some_and(|text| text.contains("ack=persisted")), "{prefer}");
    for status in ["200", "201"] {
        assert!(call["responses"][status]["headers"]["Preference-Applied"].is_object(), "{call}");
    }
    let unavailable = call["responses"]["503"]["description"].as_str();
    assert!(unavailable.is_some_and(|text| text.contains("`ack_pending`")), "{unavailable:?}");
}

const WAIT: usize = 5;

/// Sends requests that wait for `persisted`, which is never reached.
fn crowd(api: &Api, coupon: &str) -> JoinSet<Answer> {
    let mut waiting = JoinSet::new();
    for member in 0..WAIT {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        waiting.spawn(async move { ask(&api, &coupon, &format!("member-{member}"), "ack=persisted").await });
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
async fn the_number_of_waiting_members_is_limited_and_a_leaving_one_frees_a_slot() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    // Longer than the test runs.
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(100).await;
    let waiting = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    let issued = api.issued(&id).await;
    ask(&api, &id, "late", "ack=persisted").await.problem(503, "overloaded");
    assert_eq!(api.issued(&id).await, issued, "the refused request was not decided");
    // Requests with a lower level need no slot.
    assert_ack(&api.ask(&id, "other").await, 201, "granted", "");
    // Each coupon has its own slots.
    let other = api.coupon(100).await;
    let others = crowd(&api, &other);
    until_waiting(&api, 2 * WAIT).await;

    drop((waiting, others));
    until_waiting(&api, 0).await;
    let again = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    assert_eq!(api.issued(&id).await, issued + 1, "repeated requests issue nothing");
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sold_out_is_answered_even_if_all_slots_are_used() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(u32::try_from(WAIT).expect("a small number")).await;
    let waiting = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    api.until_halted(&id).await;
    ask(&api, &id, "late", "ack=persisted").await.problem(409, "sold_out");
    drop(waiting);
}
