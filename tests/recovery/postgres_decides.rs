//! The engines that decide in PostgreSQL, when PostgreSQL or a node in the middle of a step goes away.

use crate::arrange::start_at_home;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, postgres_rows, until, until_issued, winners,
};
use crate::support::services::PrivatePostgres;
use crate::support::shared::coupon_id;

const TOTAL: u32 = 1_000;
const CLIENTS: usize = 64;

/// Commits that were under way when the server was killed are answered by nobody; who asks again hears the truth.
async fn a_server_that_is_killed_in_a_race_loses_nothing(engine: &str) {
    let mut server = PrivatePostgres::start().await;
    // Neither Redis nor RabbitMQ is there to be asked.
    let stack = Stack::private("", "", &server.url());
    let node = start_at_home(NodeProcess::postgres(engine, &stack)).await;
    let coupon = coupon_id();
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    let racing = races::spawn(races::config(node.address(), &coupon, u64::from(2 * TOTAL), CLIENTS));
    let issued = until_issued(node.address(), &coupon, TOTAL / 3).await;
    assert!(issued < TOTAL, "the race was over before the kill");
    server.kill();
    server.restart().await;
    let report = racing.await.expect("the race does not panic");
    eprintln!("{engine}, server killed: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    assert_eq!(winners(&report.told), TOTAL as usize, "none is stranded");
    assert_rows(&postgres_rows(&server.url(), &coupon).await, &report.told, TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_a_race_loses_nothing_pessimistic() {
    a_server_that_is_killed_in_a_race_loses_nothing("postgres-pessimistic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_a_race_loses_nothing_optimistic() {
    a_server_that_is_killed_in_a_race_loses_nothing("postgres-optimistic").await;
}

/// Its connections stay open, and it may hold the lock on the counter.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_freezes_in_a_race_does_not_hold_up_the_other() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let builder = NodeProcess::postgres("postgres-pessimistic", &stack);
    let (frozen, other) = tokio::join!(builder.clone().start(), builder.start());
    races::create_coupon(other.address(), &coupon, TOTAL).await;
    let racing = races::spawn(races::config(frozen.address(), &coupon, u64::from(TOTAL), CLIENTS));
    until_issued(other.address(), &coupon, TOTAL / 10).await;
    frozen.freeze();
    until("a coupon from the other node", async || {
        let (status, _) = ask(other.address(), &coupon, "somebody-else").await;
        (status == 201).then_some(())
    })
    .await;
    frozen.thaw();
    let report = racing.await.expect("the race does not panic");
    assert_eq!(report.unexpected, 0, "{}", races::figures(&report));
    let rows = postgres_rows(&stack.database_url, &coupon).await;
    assert_rows(&rows, &report.told, TOTAL);
}
