//! How safe a coupon is when a member is told of it: what is asked for, what is answered, and what is ignored.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::arrange::{
    Answer, Api, EVENT_BOUND, Engine, issuance_of, issuances, on_every_engine, started, until,
};
use crate::program::run;

on_every_engine! {
    a_request_may_ask_for_more,
    less_than_the_deployment_wants_is_not_to_be_had,
    what_is_no_preference_is_ignored,
}

async fn ask(api: &Api, coupon: &str, member: &str, prefer: &str) -> Answer {
    let request = api.request(Method::POST, &issuances(coupon)).header("Prefer", prefer);
    Answer::to(request.json(&json!({ "member_id": member }))).await
}

#[track_caller]
fn assert_told(answer: &Answer, status: u16, ack: &str, applied: &str) -> Value {
    let body = answer.json(status);
    assert_eq!(body["ack"], ack, "{body}");
    assert_eq!(answer.header("preference-applied"), applied, "{:?}", answer.headers);
    body
}

async fn a_request_may_ask_for_more(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(2).await;
    let first = assert_told(&ask(&api, &id, "kim", "ack=persisted").await, 201, "persisted", "ack=persisted");
    for level in ["queued", "granted", "persisted"] {
        let preferred = format!("ack={level}");
        let again = assert_told(&ask(&api, &id, "kim", &preferred).await, 200, level, &preferred);
        assert_eq!(again["code"], first["code"]);
    }
    assert_told(
        &ask(&api, &id, "lee", "respond-async, ACK=\"queued\";x=y").await,
        201,
        "queued",
        "ack=queued",
    );
    assert_told(&api.ask(&id, "lee").await, 200, "granted", "");
    // There is nothing to be safe of.
    let sold_out = ask(&api, &id, "max", "ack=persisted").await;
    sold_out.problem(409, "sold_out");
    assert_eq!(sold_out.header("preference-applied"), "");
}

async fn less_than_the_deployment_wants_is_not_to_be_had(engine: Engine) {
    let (_node, api) = started(engine.builder().await.set("OPENRUN_ACK", "queued")).await;
    let id = api.coupon(2).await;
    assert_told(&api.ask(&id, "kim").await, 201, "queued", "");
    assert_told(&ask(&api, &id, "kim", "ack=granted").await, 200, "queued", "");
    assert_told(&ask(&api, &id, "kim", "ack=queued").await, 200, "queued", "ack=queued");
    assert_told(&ask(&api, &id, "lee", "ack=persisted").await, 201, "persisted", "ack=persisted");
    let looked_up = api.get(&issuance_of(&id, "lee")).await.json(200);
    assert_eq!(looked_up["ack"], "queued", "who looks up is told no sooner than who asks");
}

async fn what_is_no_preference_is_ignored(engine: Engine) {
    let (_node, api) = engine.node().await;
    let id = api.coupon(1).await;
    assert_told(&ask(&api, &id, "kim", "ack=yes").await, 201, "granted", "");
    for nothing in ["ack", "ack=", "ack=\"", "wait=5", "ack=PERSISTED", "=,;\"", "ack=yes, ack=persisted"] {
        assert_told(&ask(&api, &id, "kim", nothing).await, 200, "granted", "");
    }
}

#[tokio::test]
async fn a_level_that_there_is_not_is_the_operators_mistake() {
    for command in ["serve", "demo"] {
        let line = run(&[command], &[("OPENRUN_ACK", "foo")]).await.one_line(2);
        assert!(["OPENRUN_ACK", "foo", "persisted"].iter().all(|word| line.contains(word)), "{line}");
    }
    run(&["serve", "--ack", ""], &[]).await.one_line(2);
}

#[tokio::test]
async fn the_document_says_what_can_be_preferred() {
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

/// Those who wait for a database that nobody writes to.
fn crowd(api: &Api, coupon: &str) -> JoinSet<Answer> {
    let mut waiting = JoinSet::new();
    for member in 0..WAIT {
        let (api, coupon) = (api.clone(), coupon.to_owned());
        waiting.spawn(async move { ask(&api, &coupon, &format!("member-{member}"), "ack=persisted").await });
    }
    waiting
}

async fn until_waiting(api: &Api, count: usize) {
    until("so many wait", EVENT_BOUND, async || {
        let waiting = api.metric("openrun_ack_waiting_members").await;
        (waiting - count as f64).abs() < 0.5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_wait_as_may_and_who_goes_makes_room() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    // Longer than anything here is waited for.
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(100).await;
    let waiting = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    let issued = api.issued(&id).await;
    ask(&api, &id, "late", "ack=persisted").await.problem(503, "overloaded");
    assert_eq!(api.issued(&id).await, issued, "nothing was decided for whom there was no room");
    // Those who do not wait for it are not held up.
    assert_told(&api.ask(&id, "other").await, 201, "granted", "");
    // Another coupon's members have places of their own.
    let other = api.coupon(100).await;
    let others = crowd(&api, &other);
    until_waiting(&api, 2 * WAIT).await;

    drop((waiting, others));
    until_waiting(&api, 0).await;
    let again = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    assert_eq!(api.issued(&id).await, issued + 1, "they hold what they held");
    drop(again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sold_out_is_said_however_many_wait() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "api,publisher");
    let builder = builder.set("OPENRUN_QUEUE_LIMIT", WAIT.to_string());
    let (_node, api) = started(builder.set("OPENRUN_REQUEST_TIMEOUT_MS", "600000")).await;
    let id = api.coupon(u32::try_from(WAIT).expect("it is small")).await;
    let waiting = crowd(&api, &id);
    until_waiting(&api, WAIT).await;
    api.until_halted(&id).await;
    ask(&api, &id, "late", "ack=persisted").await.problem(409, "sold_out");
    drop(waiting);
}
