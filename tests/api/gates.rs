//! What nodes know without asking: it opens again everywhere when an operator says so, and sold out stays true while
//! the engine is away.

use std::time::Duration;

use serde_json::json;

use crate::arrange::{Api, EVENT_BOUND, Engine, on_engine, on_every_engine, until};
use crate::support::node::{NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::services::PrivateRedis;

/// Half a second is promised; the rest is for machines that do several things at once.
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
            a_coupon_created_on_one_node_can_be_asked_for_on_the_other_at_once,
            a_coupon_created_again_on_the_other_node_is_the_same_one,
            nodes_give_a_member_the_same_coupon,
            a_winner_after_a_raise_is_never_told_sold_out_by_the_other_node,
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
    raising_reopens(&api, &api).await;
}

async fn a_resumed_coupon_opens_the_gate(engine: Engine) {
    let (_node, api) = engine.node().await;
    resuming_reopens(&api, &api).await;
}

async fn a_raised_total_opens_the_gate_of_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    raising_reopens(&one, &other).await;
}

async fn a_resumed_coupon_opens_the_gate_of_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    resuming_reopens(&one, &other).await;
}

async fn a_pause_or_a_close_on_one_node_holds_on_the_other_at_once(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(5).await;
    other.ask(&id, "kim").await.json(201);
    one.call(&id, "pause").await.json(200);
    other.ask(&id, "lee").await.problem(503, "paused");
    one.call(&id, "resume").await.json(200);
    one.call(&id, "close").await.json(200);
    until("it is closed everywhere", REOPEN_BOUND, async || other.ask(&id, "lee").await.code() == "closed")
        .await;
}

async fn a_coupon_created_on_one_node_can_be_asked_for_on_the_other_at_once(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    for number in 1..=10 {
        let id = one.coupon(2).await;
        assert_eq!(other.ask(&id, "kim").await.json(201)["sequence"], 1, "coupon {number}");
        assert_eq!(one.ask(&id, "lee").await.json(201)["sequence"], 2);
        // What is shown may be a tenth of a second old.
        until("both show the same", REOPEN_BOUND, async || other.shown(&id).await == one.shown(&id).await)
            .await;
    }
}

/// The answer to the first call may be lost, and the second one reach another node.
async fn a_coupon_created_again_on_the_other_node_is_the_same_one(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(2).await;
    let again = other.post("/v1/coupons", &json!({ "id": id, "total": 2 })).await.json(200);
    assert_eq!(again["opens_at"], one.shown(&id).await["opens_at"]);
    other.post("/v1/coupons", &json!({ "id": id, "total": 3 })).await.problem(409, "coupon_exists");
}

async fn nodes_give_a_member_the_same_coupon(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    let id = one.coupon(1).await;
    let won = one.ask(&id, "kim").await.json(201);
    assert_eq!(other.ask(&id, "kim").await.json(200), won);
    other.ask(&id, "lee").await.problem(409, "sold_out");
    for node in [&one, &other] {
        node.until_halted(&id).await;
        assert_eq!(node.ask(&id, "kim").await.json(200), won);
    }
}

#[tokio::test]
async fn private_sold_out_is_said_while_redis_is_frozen_or_away() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let api = Api::of(&node);
    let id = api.coupon(2).await;
    let won = api.ask(&id, "kim").await.json(201);
    api.ask(&id, "lee").await.json(201);
    api.until_halted(&id).await;

    redis.pause();
    for number in 0..20 {
        api.ask(&id, &format!("late-{number}")).await.problem(409, "sold_out");
    }
    // Who may hold one is not turned away on a guess.
    api.ask(&id, "kim").await.problem(503, "outcome_unknown");
    redis.resume();
    until("winners are answered again", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 200).await;

    redis.stop().await;
    for number in 0..20 {
        api.ask(&id, &format!("later-{number}")).await.problem(409, "sold_out");
    }
    let answer = api.ask(&id, "kim").await;
    answer.problem(503, &answer.code());
    redis.restart().await;
    until("winners are answered again", EVENT_BOUND, async || api.ask(&id, "kim").await.status == 200).await;
    assert_eq!(api.ask(&id, "kim").await.json(200), won, "it is the same coupon");
    api.ask(&id, "latest").await.problem(409, "sold_out");
}

/// The operator raises the total at one node, a member wins there at once, and asks the other node, whose gate has been
/// halted for long.
async fn assert_winners_are_never_told_sold_out(one: &Api, other: &Api, rounds: u32) {
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
                assert!(matches!(answer.status, 200 | 503), "a winner was told {}", answer.text());
            }
        };
        tokio::join!(raise(), win());
    }
}

async fn a_winner_after_a_raise_is_never_told_sold_out_by_the_other_node(engine: Engine) {
    let (_nodes, [one, other]) = two_nodes(engine).await;
    assert_winners_are_never_told_sold_out(&one, &other, 8).await;
}

#[tokio::test]
async fn nor_by_one_that_alone_has_lost_redis() {
    let stack = Stack::shared().await;
    let mut redis = url::Url::parse(&stack.redis_url).expect("a URL");
    let proxy = Proxy::start(redis.port().expect("a port")).await;
    redis.set_port(Some(proxy.port())).expect("it has a host");
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
    assert_eq!(answer.status, 503, "a winner was told {}", answer.text());
    proxy.set(Mode::Pass).await;
    until("the same coupon", EVENT_BOUND, async || apart.ask(&id, "second").await.status == 200).await;
}

/// Where the same database decides and lets nodes meet, whoever loses it asks in vain.
#[tokio::test]
async fn nor_by_one_that_alone_has_lost_the_postgresql_that_decides() {
    let stack = Stack::shared().await;
    let mut url = url::Url::parse(&stack.database_url).expect("a URL");
    let proxy = Proxy::start(url.port().expect("a port")).await;
    url.set_port(Some(proxy.port())).expect("it can have a port");
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
    assert_eq!(answer.status, 503, "a winner was told {}", answer.text());
    proxy.set(Mode::Pass).await;
    until("the same coupon", EVENT_BOUND, async || apart.ask(&id, "second").await.status == 200).await;
}

async fn two_nodes(engine: Engine) -> ([NodeProcess; 2], [Api; 2]) {
    let builder = engine.over(&Stack::shared().await);
    let nodes = [builder.clone().start().await, builder.start().await];
    let apis = [Api::of(&nodes[0]), Api::of(&nodes[1])];
    (nodes, apis)
}

/// The operator is at `one`, the members are at `other`.
async fn raising_reopens(one: &Api, other: &Api) {
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

async fn resuming_reopens(one: &Api, other: &Api) {
    let id = one.coupon(5).await;
    for number in 1..=3 {
        one.call(&id, "pause").await.json(200);
        other.until_halted(&id).await;
        other.ask(&id, &format!("member-{number}")).await.problem(503, "paused");
        one.call(&id, "resume").await.json(200);
        until("it is issued again", REOPEN_BOUND, async || {
            let answer = other.ask(&id, &format!("member-{number}")).await;
            assert!(answer.status == 201 || answer.code() == "paused", "{}", answer.text());
            answer.status == 201
        })
        .await;
    }
    assert_eq!(other.issued(&id).await, 3);
}
