//! The gates of several nodes: an operator's change opens them everywhere, and "sold out" is answered while the engine is
//! away.

use std::time::Duration;

use serde_json::json;

use crate::arrange::{Api, EVENT_BOUND, Engine, on_engine, on_every_engine, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::services::PrivateRedis;

/// Half a second is promised; the rest is for busy machines.
const REOPEN_BOUND: Duration = Duration::from_secs(2);

on_every_engine! {
    a_raised_total_opens_the_gate,
    a_resumed_coupon_opens_the_gate,
}

macro_rules! on_two_nodes {
    ($($name:ident: $engine:ident),+ $(,)?) => {
        $(on_engine! { $name: $engine:
            a_raised_total_opens_the_gate_of_the_other_node,
            a_resumed_coupon_opens_the_gate_of_the_other_node,
            a_pause_or_a_close_on_one_node_holds_on_the_other_at_once,
            a_coupon_created_on_one_node_can_be_requested_on_the_other_at_once,
            a_coupon_created_again_on_the_other_node_is_the_same_one,
            a_member_gets_the_same_coupon_from_all_nodes,
            a_holder_after_a_raise_never_gets_sold_out_from_the_other_node,
        })+
    };
}
on_two_nodes! {
    two_on_redis_lua: RedisLua,
    two_on_redis_lock: RedisLock,
    two_on_postgres_pessimistic: PostgresPessimistic,
    two_on_postgres_optimistic: PostgresOptimistic,
}

async fn a_raised_total_opens_the_gate(engine: Engine) {
    let (_node, api) = engine.node().await;
    assert_raising_reopens(&api, &api).await;
}

async fn a_resumed_coupon_opens_the_gate(engine: Engine) {
    let (_node, api) = engine.node().await;
    assert_resuming_reopens(&api, &api).await;
}

async fn a_raised_total_opens_the_gate_of_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    assert_raising_reopens(&one, &other).await;
}

async fn a_resumed_coupon_opens_the_gate_of_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    assert_resuming_reopens(&one, &other).await;
}

async fn a_pause_or_a_close_on_one_node_holds_on_the_other_at_once(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(5).await;
    other.ask(&id, "kim").await.json(201);
    one.call(&id, "pause").await.json(200);
    other.ask(&id, "lee").await.problem(503, "paused");
    one.call(&id, "resume").await.json(200);
    one.call(&id, "close").await.json(200);
    until("a close on the other node", REOPEN_BOUND, async || other.ask(&id, "lee").await.code() == "closed")
        .await;
}

async fn a_coupon_created_on_one_node_can_be_requested_on_the_other_at_once(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    for number in 1..=10 {
        let id = one.coupon(2).await;
        assert_eq!(other.ask(&id, "kim").await.json(201)["sequence"], 1, "coupon {number}");
        assert_eq!(one.ask(&id, "lee").await.json(201)["sequence"], 2);
        // Reads may be a tenth of a second old.
        until("the same coupon on both nodes", REOPEN_BOUND, async || {
            other.shown(&id).await == one.shown(&id).await
        })
        .await;
    }
}

/// The response to the first call may be lost, and the repetition may reach another node.
async fn a_coupon_created_again_on_the_other_node_is_the_same_one(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(2).await;
    let again = other.post("/v1/coupons", &json!({ "id": id, "total": 2 })).await.json(200);
    assert_eq!(again["opens_at"], one.shown(&id).await["opens_at"]);
    other.post("/v1/coupons", &json!({ "id": id, "total": 3 })).await.problem(409, "coupon_exists");
}

async fn a_member_gets_the_same_coupon_from_all_nodes(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(1).await;
    let issued = one.ask(&id, "kim").await.json(201);
    assert_eq!(other.ask(&id, "kim").await.json(200), issued);
    other.ask(&id, "lee").await.problem(409, "sold_out");
    for node in [&one, &other] {
        node.until_halted(&id).await;
        assert_eq!(node.ask(&id, "kim").await.json(200), issued);
    }
}

#[tokio::test]
async fn private_sold_out_is_answered_while_redis_is_frozen_or_away() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    let id = api.coupon(2).await;
    let issued = api.ask(&id, "kim").await.json(201);
    api.ask(&id, "lee").await.json(201);
    api.until_halted(&id).await;

    redis.pause();
    for number in 0..20 {
        api.ask(&id, &format!("late-{number}")).await.problem(409, "sold_out");
    }
    // A possible holder is not rejected by the gate alone.
    api.ask(&id, "kim").await.problem(503, "outcome_unknown");
    redis.resume();
    until("an answer for the holder", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 200).await;

    redis.stop().await;
    for number in 0..20 {
        api.ask(&id, &format!("later-{number}")).await.problem(409, "sold_out");
    }
    let answer = api.ask(&id, "kim").await;
    answer.problem(503, &answer.code());
    redis.restart().await;
    until("an answer for the holder", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 200).await;
    assert_eq!(api.ask(&id, "kim").await.json(200), issued, "the holder keeps the coupon");
    api.ask(&id, "latest").await.problem(409, "sold_out");
}

/// An operator raises the total at one node, a member gets a coupon there at once, and repeats the request at the other
/// node, whose gate has been halted for long.
async fn assert_holders_never_get_sold_out(one: &Api, other: &Api, rounds: u32) {
    let id = one.coupon(1).await;
    one.ask(&id, "first").await.json(201);
    for round in 2..=rounds {
        one.until_halted(&id).await;
        other.until_halted(&id).await;
        let raise = async || one.patch(&id, &json!({ "total": round })).await.json(200);
        let win = async || {
            let member = format!("member-{round}");
            until("the new coupon", EVENT_BOUND, async || one.ask(&id, &member).await.status == 201).await;
            for _ in 0..20 {
                let answer = other.ask(&id, &member).await;
                assert!(matches!(answer.status, 200 | 503), "a holder got {}", answer.text());
            }
        };
        tokio::join!(raise(), win());
    }
}

async fn a_holder_after_a_raise_never_gets_sold_out_from_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    assert_holders_never_get_sold_out(&one, &other, 8).await;
}

#[tokio::test]
async fn a_holder_never_gets_sold_out_from_a_node_without_redis() {
    let stack = Stack::shared().await;
    let mut redis = url::Url::parse(&stack.redis_url).expect("a URL");
    let proxy = Proxy::start(redis.port().expect("a port")).await;
    redis.set_port(Some(proxy.port())).expect("a URL with a port");
    let one = NodeProcess::redis_lua(&stack).start().await;
    let apart = NodeProcess::redis_lua(&stack).set("OPENRUN_REDIS_URL", redis.as_str()).start().await;
    let (one, apart) = (Api::of(&one), Api::of(&apart));
    let id = one.coupon(1).await;
    one.ask(&id, "first").await.json(201);
    apart.until_halted(&id).await;
    proxy.set(Mode::Cut).await;
    apart.ask(&id, "stranger").await.problem(409, "sold_out");
    one.patch(&id, &json!({ "total": 2 })).await.json(200);
    one.ask(&id, "second").await.json(201);
    let answer = apart.ask(&id, "second").await;
    assert_eq!(answer.status, 503, "a holder got {}", answer.text());
    proxy.set(Mode::Pass).await;
    until("the same coupon", EVENT_BOUND, async || apart.ask(&id, "second").await.status == 200).await;
}

/// A node that loses the database which decides and connects the nodes cannot answer "sold out".
#[tokio::test]
async fn a_holder_never_gets_sold_out_from_a_node_without_the_deciding_postgresql() {
    let stack = Stack::shared().await;
    let mut url = url::Url::parse(&stack.database_url).expect("a URL");
    let proxy = Proxy::start(url.port().expect("a port")).await;
    url.set_port(Some(proxy.port())).expect("a URL with a port");
    let builder = Engine::PostgresPessimistic.over(&stack);
    let one = builder.clone().start().await;
    let apart = builder.set("OPENRUN_DATABASE_URL", url).start().await;
    let (one, apart) = (Api::of(&one), Api::of(&apart));
    let id = one.coupon(1).await;
    one.ask(&id, "first").await.json(201);
    apart.until_halted(&id).await;
    proxy.set(Mode::Cut).await;
    one.patch(&id, &json!({ "total": 2 })).await.json(200);
    one.ask(&id, "second").await.json(201);
    let answer = apart.ask(&id, "second").await;
    assert_eq!(answer.status, 503, "a holder got {}", answer.text());
    proxy.set(Mode::Pass).await;
    until("the same coupon", EVENT_BOUND, async || apart.ask(&id, "second").await.status == 200).await;
}

async fn two_nodes(engine: Engine) -> ([NodeProcess; 2], [Api; 2]) {
    let builder = engine.over(&Stack::shared().await);
    let nodes = [builder.clone().start().await, builder.start().await];
    let apis = [Api::of(&nodes[0]), Api::of(&nodes[1])];
    (nodes, apis)
}

/// The operator uses `one`, the members use `other`.
async fn assert_raising_reopens(one: &Api, other: &Api) {
    let id = one.coupon(1).await;
    other.ask(&id, "kim").await.json(201);
    other.until_halted(&id).await;
    for total in 2..=4 {
        other.ask(&id, &format!("member-{total}")).await.problem(409, "sold_out");
        one.patch(&id, &json!({ "total": total })).await.json(200);
        until("the raised total is issued", REOPEN_BOUND, async || {
            let answer = other.ask(&id, &format!("member-{total}")).await;
            assert!(answer.status == 201 || answer.code() == "sold_out", "{}", answer.text());
            answer.status == 201
        })
        .await;
        other.until_halted(&id).await;
    }
    assert_eq!(other.issued(&id).await, 4);
}

async fn assert_resuming_reopens(one: &Api, other: &Api) {
    let id = one.coupon(5).await;
    for number in 1..=3 {
        one.call(&id, "pause").await.json(200);
        other.until_halted(&id).await;
        other.ask(&id, &format!("member-{number}")).await.problem(503, "paused");
        one.call(&id, "resume").await.json(200);
        until("an issuance after the resume", REOPEN_BOUND, async || {
            let answer = other.ask(&id, &format!("member-{number}")).await;
            assert!(answer.status == 201 || answer.code() == "paused", "{}", answer.text());
            answer.status == 201
        })
        .await;
    }
    assert_eq!(other.issued(&id).await, 3);
}
