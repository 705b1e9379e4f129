//! A node that is killed, or terminated, in the middle of a race.

use openrun_load::{NoProgress, RaceReport, race};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::arrange::{kill_at, start_on_fixed_port, until_trimmed};
use crate::support::node::{NodeBuilder, NodeProcess, Stack};
use crate::support::races::{
    self, assert_promise_kept, assert_rows, count_holders, postgres_rows, sqlite_rows, until_issued,
    until_persisted,
};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_500;
const CLIENTS: usize = 128;

/// The issued counts at which the node is killed: one after a third, or three random ones, one in each third.
fn kill_counts(kills: u32) -> Vec<u32> {
    let random = |most: u32| Uuid::new_v4().as_u64_pair().0 as u32 % most;
    match kills {
        1 => vec![TOTAL / 3],
        _ => (0..kills).map(|kill| kill * TOTAL / (kills + 1) + 1 + random(TOTAL / (kills + 2))).collect(),
    }
}

/// A race in which `node` is killed and restarted `kills` times; gives the members' answers.
async fn race_with_kills(node: &mut NodeProcess, coupon: &str, kills: u32) -> RaceReport {
    races::create_coupon(node.address(), coupon, TOTAL).await;
    let racing = races::spawn(races::config(node.address(), coupon, MEMBERS, CLIENTS));
    let kill_counts = kill_counts(kills);
    for count in &kill_counts {
        let issued = kill_at(node, coupon, *count).await;
        assert!(issued < TOTAL, "the race was over before the kill at {count}");
        node.restart().await;
    }
    let report = racing.await.expect("the race does not panic");
    eprintln!("killed at {kill_counts:?}: {}", races::figures(&report));
    assert!(report.unknown > 0, "no request failed when the node was killed");
    assert_promise_kept(&report, TOTAL);
    assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
    report
}

async fn survives_on_sqlite(kills: u32) {
    let mut node = start_on_fixed_port(NodeProcess::embedded()).await;
    let report = race_with_kills(&mut node, "drop", kills).await;
    node.kill();
    assert_rows(&sqlite_rows(&node.data_dir(), "drop").await, &report.issued_answers, TOTAL);
}

async fn survives_on_the_full_stack(kills: u32) {
    let stack = Stack::shared().await;
    survives_on(&stack, NodeProcess::redis_lua(&stack), kills).await;
}

async fn survives_on(stack: &Stack, node: NodeBuilder, kills: u32) {
    let coupon = coupon_id();
    let mut node = start_on_fixed_port(node).await;
    let report = race_with_kills(&mut node, &coupon, kills).await;
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
    until_trimmed(&stack.redis_url, &coupon).await;
}

async fn survives_on_postgres(engine: &str, kills: u32) {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let mut node = start_on_fixed_port(NodeProcess::postgres(engine, &stack)).await;
    let report = race_with_kills(&mut node, &coupon, kills).await;
    // Every answer is a row already.
    assert_rows(&postgres_rows(&stack.database_url, &coupon).await, &report.issued_answers, TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_at_random_moments_lose_nothing_on_redis_lock() {
    let stack = Stack::shared().await;
    survives_on(&stack, NodeProcess::redis_lock(&stack), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_at_random_moments_lose_nothing_on_postgres_pessimistic() {
    survives_on_postgres("postgres-pessimistic", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_at_random_moments_lose_nothing_on_postgres_optimistic() {
    survives_on_postgres("postgres-optimistic", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing_on_sqlite() {
    survives_on_sqlite(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_at_random_moments_lose_nothing_on_sqlite() {
    survives_on_sqlite(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_nothing_on_the_full_stack() {
    survives_on_the_full_stack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_kills_at_random_moments_lose_nothing_on_the_full_stack() {
    survives_on_the_full_stack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_terminated_in_a_race_ends_well_and_another_node_delivers_its_issuances() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    // Without a persister its issuances are in Redis and in the queue when it has ended.
    let mut node = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "api,publisher").start().await;
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    let (gone, has_gone) = oneshot::channel::<()>();
    let config = races::config(node.address(), &coupon, MEMBERS, CLIENTS);
    let racing = tokio::spawn(async move {
        let has_gone = async { has_gone.await.unwrap_or_default() };
        let raced = tokio::time::timeout(races::BOUND, race::run_until(config, &NoProgress, has_gone)).await;
        raced.expect("the race ends").expect("the race can be run")
    });
    let issued = until_issued(node.address(), &coupon, TOTAL / 3).await;
    assert!(issued < TOTAL, "the race was over before the node was terminated");
    assert_eq!(node.terminate().await, Some(0));
    gone.send(()).expect("the race goes on");
    let report = racing.await.expect("the race does not panic");
    eprintln!("terminated: {}", races::figures(&report));
    assert_eq!(report.unexpected, 0, "{:?}", report.unexpected_examples);

    let other = NodeProcess::redis_lua(&stack).start().await;
    let issued =
        until_issued(other.address(), &coupon, u32::try_from(count_holders(&report.issued_answers)).unwrap())
            .await;
    assert_rows(&until_persisted(&stack.database_url, &coupon, issued).await, &report.issued_answers, issued);
    // Members without an answer get their coupons from the other node.
    let rest = races::run(races::config(other.address(), &coupon, MEMBERS, CLIENTS)).await;
    // The order of requests differs from the first race, so only the rows can be compared.
    assert_eq!((rest.gave_up, rest.unexpected), (0, 0), "{:?}", rest.unexpected_examples);
    let answers: Vec<_> = report.issued_answers.into_iter().chain(rest.issued_answers).collect();
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &answers, TOTAL);
}
