//! The event stream of a node.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::arrange::{Answer, Api, EVENT_BOUND, Engine, on_every_engine, started, until};
use crate::dead_letters::issuance;
use crate::support::node::Stack;
use crate::support::strays::publish_issuance;

on_every_engine! {
    a_snapshot_has_the_state_of_the_node,
}

const AT: &str = "/v1/admin/events";
const TOKEN: &str = "correct-horse-battery-staple";

/// Limit of the pause between two events, for busy machines too.
const EVENT_INTERVAL_MAX: Duration = Duration::from_secs(30);

/// A client of the event stream.
struct Watcher {
    response: Response,
    received: String,
}

impl Watcher {
    async fn of(api: &Api) -> Self {
        let response = api.request(Method::GET, AT).send().await.expect("the node answers");
        assert_eq!(response.status(), 200);
        Self { response, received: String::new() }
    }

    /// The next block of the stream, or `None` at its end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.received.split_once("\n\n") {
                let block = block.to_owned();
                self.received = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(EVENT_INTERVAL_MAX, self.response.chunk())
                .await
                .expect("an event in time");
            self.received += std::str::from_utf8(&chunk.expect("an open stream")?).expect("text");
        }
    }

    async fn snapshot(&mut self) -> Value {
        loop {
            let block = self.block().await.expect("an open stream");
            if let Some(data) = block.strip_prefix("event: snapshot\ndata: ") {
                return serde_json::from_str(data).expect("JSON");
            }
            assert!(block.starts_with(':'), "{block}");
        }
    }

    /// The first snapshot in which so many of the coupon are issued, and the coupon in it.
    async fn until_issued(&mut self, coupon: &str, issued: u32) -> (Value, Value) {
        let deadline = tokio::time::Instant::now() + EVENT_BOUND;
        loop {
            let snapshot = self.snapshot().await;
            let coupons = snapshot["coupons"].as_array().expect("a list");
            if let Some(line) = coupons.iter().find(|line| line["id"] == coupon && line["issued"] == issued) {
                return (line.clone(), snapshot);
            }
            assert!(tokio::time::Instant::now() < deadline, "{snapshot}");
        }
    }
}

impl Watcher {
    async fn until_dead(&mut self, letters: u64) {
        until("the count of dead letters", EVENT_BOUND, async || {
            self.snapshot().await["pipeline"]["dead_letters"] == letters
        })
        .await;
    }
}

async fn a_snapshot_has_the_state_of_the_node(engine: Engine) {
    let (_node, api) = engine.node().await;
    // The shared Redis also has coupons of other tests. Active coupons come first, ordered by id.
    let id = format!("A{}", api.coupon(1).await);
    api.post("/v1/coupons", &json!({ "id": id, "name": "Drop", "total": 5 })).await.json(201);
    let mut watcher = Watcher::of(&api).await;
    assert_eq!(watcher.response.headers()["content-type"], "text/event-stream");
    assert_eq!(watcher.response.headers()["cache-control"], "no-store");
    watcher.until_issued(&id, 0).await;
    for member in ["kim", "lee"] {
        api.ask(&id, member).await.json(201);
    }
    let (line, snapshot) = watcher.until_issued(&id, 2).await;
    assert_eq!(
        (&line["name"], &line["state"], &line["lifecycle"]),
        (&json!("Drop"), &json!("open"), &json!("active"))
    );
    assert_eq!(
        (&line["total"], &line["remaining"], &line["closes_at"]),
        (&json!(5), &json!(3), &json!(null))
    );
    assert!(line["issued_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{line}");
    assert_eq!((&snapshot["serves_api"], &snapshot["waiting"]), (&json!(true), &json!(0)));
    let actors = snapshot["actors"].as_array().expect("a list");
    let mine = format!("coupon-event/{id}");
    assert!(
        actors.iter().any(|actor| actor["name"] == mine.as_str() && actor["state"] == "running"),
        "{snapshot}"
    );
    assert!(snapshot["troubles"].is_array(), "{snapshot}");
    // Slow values come a little later.
    until("the slow values", EVENT_BOUND, async || {
        let snapshot = watcher.snapshot().await;
        let pipeline = &snapshot["pipeline"];
        let is_there = engine.is_on_the_full_stack();
        assert_eq!(pipeline.is_object(), is_there, "{snapshot}");
        snapshot["conflicts"] == 0
            && snapshot["lost"] == 0
            && (!is_there
                || pipeline["queue"] == 0 && pipeline["dead_letters"] == 0 && pipeline["outbox"].is_u64())
    })
    .await;
}

#[tokio::test]
async fn the_number_of_listeners_is_limited_and_a_leaving_one_frees_a_slot() {
    let (mut node, api) = Engine::Embedded.node().await;
    let mut watchers = Vec::new();
    for _ in 0..16 {
        watchers.push(Watcher::of(&api).await);
    }
    for watcher in &mut watchers {
        watcher.snapshot().await;
    }
    api.get(AT).await.problem(503, "unavailable");
    watchers.pop();
    until("a free slot", EVENT_BOUND, async || {
        let response = api.request(Method::GET, AT).send().await.expect("the node answers");
        response.status() == 200
    })
    .await;
    node.ask_to_end();
    for mut watcher in watchers {
        let mut last = String::new();
        while let Some(block) = watcher.block().await {
            last = block;
        }
        assert_eq!(last, "event: goodbye\ndata: {}");
    }
    assert_eq!(node.ended().await, Some(0));
    assert!(!node.log().contains("shutdown timeout passed"), "the shutdown waited for no stream");
}

/// Two coupons more than a snapshot holds; one has ended and would be the first by its id.
#[tokio::test]
async fn of_many_coupons_the_active_ones_are_shown_and_the_others_counted() {
    const SHOWN: usize = 200;
    let (_node, api) = Engine::Embedded.node().await;
    let create = async |id: &str| {
        api.post("/v1/coupons", &json!({ "id": id, "name": "Drop", "total": 1 })).await.json(201);
    };
    create("a-drop-that-is-over").await;
    api.ask("a-drop-that-is-over", "kim").await.json(201);
    for number in 0..=SHOWN {
        create(&format!("drop-{number:03}")).await;
    }
    let expected: Vec<String> = (0..SHOWN).map(|number| format!("drop-{number:03}")).collect();
    let mut watcher = Watcher::of(&api).await;
    until("a snapshot without the ended coupon", EVENT_BOUND, async || {
        let snapshot = watcher.snapshot().await;
        assert_eq!(snapshot["coupons_left_out"], 2, "{snapshot}");
        let coupons = snapshot["coupons"].as_array().expect("a list");
        assert_eq!(coupons.len(), SHOWN);
        coupons.iter().map(|line| &line["id"]).eq(&expected)
    })
    .await;
}

#[tokio::test]
async fn only_operators_may_listen_and_no_page_of_another_site() {
    let (_open, api) = Engine::Embedded.node().await;
    for site in ["cross-site", "same-site"] {
        let call = api.request(Method::GET, AT).header("sec-fetch-site", site);
        Answer::to(call).await.problem(403, "forbidden");
    }
    let own = api.request(Method::GET, AT).header("sec-fetch-site", "same-origin").send().await;
    assert_eq!(own.expect("the node answers").status(), 200);
    let builder = Engine::Embedded.builder().await.set("OPENRUN_ADMIN_TOKEN", TOKEN);
    let (_node, api) = started(builder).await;
    api.get(AT).await.problem(401, "unauthorized");
    api.get(&format!("{AT}?token={TOKEN}")).await.problem(401, "unauthorized");
    let known = api.request(Method::GET, AT).bearer_auth(TOKEN).send().await.expect("the node answers");
    assert_eq!(known.status(), 200);
}

#[tokio::test]
async fn slow_values_are_refreshed() {
    let stack = Stack::shared().await;
    let (_node, api) = started(Engine::RedisLua.over(&stack)).await;
    let mut watcher = Watcher::of(&api).await;
    watcher.until_dead(0).await;
    // The coupon does not exist.
    publish_issuance(&stack, &issuance("late-coupon", 1)).await;
    watcher.until_dead(1).await;
}

#[tokio::test]
async fn a_node_without_the_api_has_events() {
    let builder = Engine::RedisLua.builder().await.set("OPENRUN_ROLES", "publisher,persister");
    let (_node, api) = started(builder).await;
    let snapshot = Watcher::of(&api).await.snapshot().await;
    assert_eq!(snapshot["serves_api"], false);
}
