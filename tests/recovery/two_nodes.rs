//! Two nodes on one stack: a member gets the same coupon from both.

use std::collections::BTreeMap;

use crate::support::node::{NodeBuilder, NodeProcess, Stack};
use crate::support::proxy::{Mode, Proxy};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, count_holders, http, until, until_persisted,
};
use crate::support::services::PrivatePostgres;
use crate::support::shared::{amqp_url, coupon_id, own_redis_url};

const MEMBERS: u64 = 2_000;
const TOTAL: u32 = 1_000;
const CLIENTS: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_nodes_hold_one_coupon_on_redis_lua() {
    let stack = Stack::shared().await;
    race_on_two_nodes(&stack, [NodeProcess::redis_lua(&stack), NodeProcess::redis_lua(&stack)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_nodes_hold_one_coupon_on_redis_lock() {
    let stack = Stack::shared().await;
    race_on_two_nodes(&stack, [NodeProcess::redis_lock(&stack), NodeProcess::redis_lock(&stack)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_nodes_hold_one_coupon_on_postgres_pessimistic() {
    let stack = Stack::shared().await;
    race_on_two_nodes(&stack, ["postgres-pessimistic"; 2].map(|name| NodeProcess::postgres(name, &stack)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_nodes_hold_one_coupon_on_postgres_optimistic() {
    let stack = Stack::shared().await;
    race_on_two_nodes(&stack, ["postgres-optimistic"; 2].map(|name| NodeProcess::postgres(name, &stack)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_nodes_hold_one_coupon_on_both_engines_of_postgres_at_once() {
    let stack = Stack::shared().await;
    let names = ["postgres-pessimistic", "postgres-optimistic"];
    race_on_two_nodes(&stack, names.map(|name| NodeProcess::postgres(name, &stack))).await;
}

async fn race_on_two_nodes(stack: &Stack, [one, other]: [NodeBuilder; 2]) {
    let coupon = coupon_id();
    let (one, other) = tokio::join!(one.start(), other.start());
    races::create_coupon(one.address(), &coupon, TOTAL).await;
    let race = |node: &NodeProcess| races::spawn(races::config(node.address(), &coupon, MEMBERS, CLIENTS));
    let (here, there) = tokio::join!(race(&one), race(&other));
    let (here, there) = (here.expect("it does not panic"), there.expect("it does not panic"));
    for report in [&here, &there] {
        eprintln!("one of two nodes: {}", races::figures(report));
        assert_promise_kept(report, TOTAL);
        // Each holder requested from both nodes, so each node answered every holder.
        assert_eq!(count_holders(&report.issued_answers), TOTAL as usize);
    }
    assert_eq!(here.issued_first + there.issued_first, u64::from(TOTAL), "each is new on one node only");
    let codes: BTreeMap<_, _> =
        here.issued_answers.iter().map(|answer| (&answer.member_id, &answer.code)).collect();
    for answer in &there.issued_answers {
        assert_eq!(codes.get(&answer.member_id), Some(&&answer.code), "{} has two codes", answer.member_id);
    }
    let answers: Vec<_> = here.issued_answers.iter().chain(&there.issued_answers).cloned().collect();
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &answers, TOTAL);
}

/// A node must not undo another node's change with an older read of the catalogue: the database would refuse issuances
/// above the lower total.
#[tokio::test(flavor = "multi_thread")]
async fn operators_on_two_nodes_never_leave_the_database_with_fewer_coupons_than_the_engine() {
    const ROUNDS: u32 = 12;
    const RAISED: u32 = 20;
    let stack = Stack::shared().await;
    let (one, other) =
        tokio::join!(NodeProcess::redis_lua(&stack).start(), NodeProcess::redis_lua(&stack).start());
    for _ in 0..ROUNDS {
        let coupon = coupon_id();
        races::create_coupon(one.address(), &coupon, 1).await;
        let url =
            |node: &NodeProcess, call: &str| format!("http://{}/v1/coupons/{coupon}{call}", node.address());
        let raise = http().patch(url(&one, "")).json(&serde_json::json!({ "total": RAISED })).send();
        let resume = http().post(url(&other, "/resume")).send();
        let (raised, resumed) = tokio::join!(raise, resume);
        assert_eq!(raised.expect("it answers").status(), 200);
        assert_eq!(resumed.expect("it answers").status(), 200);
        let report = races::run(races::config(one.address(), &coupon, RAISED.into(), 8)).await;
        assert_eq!(count_holders(&report.issued_answers), RAISED as usize, "{}", races::figures(&report));
        assert_rows(
            &until_persisted(&stack.database_url, &coupon, RAISED).await,
            &report.issued_answers,
            RAISED,
        );
    }
    let dead = races::metric(one.address(), "openrun_dead_lettered_total", "").await
        + races::metric(other.address(), "openrun_dead_lettered_total", "").await;
    assert!(dead < 1.0, "{dead} issuances were dead-lettered");
}

/// While the catalogue cannot be read, a coupon that another node has created may exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_may_exist_is_never_reported_as_missing() {
    let postgres = PrivatePostgres::start().await;
    let proxy = Proxy::start(postgres.port()).await;
    let stack = Stack::private(&own_redis_url().await, &amqp_url(), &postgres.url());
    let through =
        NodeProcess::redis_lua(&stack).set("OPENRUN_DATABASE_URL", postgres.url_through(proxy.port()));
    let (one, other) = tokio::join!(NodeProcess::redis_lua(&stack).start(), through.start());
    proxy.set(Mode::Hold).await;
    let coupon = coupon_id();
    races::create_coupon(one.address(), &coupon, 5).await;
    for _ in 0..6 {
        let (status, answer) = ask(other.address(), &coupon, "kim").await;
        assert_eq!(status, 503, "{answer}");
    }
    proxy.set(Mode::Pass).await;
    until("the true answer", async || (ask(other.address(), &coupon, "kim").await.0 < 300).then_some(()))
        .await;
    let nothing = ask(other.address(), &coupon_id(), "kim").await;
    assert_eq!(nothing.0, 404, "an unknown coupon is missing: {}", nothing.1);
}
