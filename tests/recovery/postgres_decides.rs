//! The engines that decide in PostgreSQL, after a crash of PostgreSQL or of a node in the middle of a step.

use sqlx::{Connection, PgConnection};

use crate::arrange::start_on_fixed_port;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, count_holders, postgres_rows, until, until_issued,
};
use crate::support::services::PrivatePostgres;
use crate::support::shared::coupon_id;

const TOTAL: u32 = 1_000;
const CLIENTS: usize = 64;

/// A commit during the kill of the server has no answer; a repeated request gets the true one.
async fn a_server_that_is_killed_in_a_race_loses_nothing(engine: &str) {
    let mut server = PrivatePostgres::start().await;
    // There is neither Redis nor RabbitMQ.
    let stack = Stack::private("", "", &server.url());
    let node = start_on_fixed_port(NodeProcess::postgres(engine, &stack)).await;
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
    assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
    assert_rows(&postgres_rows(&server.url(), &coupon).await, &report.issued_answers, TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_a_race_loses_nothing_pessimistic() {
    a_server_that_is_killed_in_a_race_loses_nothing("postgres-pessimistic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_a_race_loses_nothing_optimistic() {
    a_server_that_is_killed_in_a_race_loses_nothing("postgres-optimistic").await;
}

/// The frozen node's connections stay open, and it may hold the lock on the counter.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_does_not_block_the_other_one() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let builder = NodeProcess::postgres("postgres-pessimistic", &stack);
    let (frozen, other) = tokio::join!(builder.clone().start(), builder.start());
    races::create_coupon(other.address(), &coupon, TOTAL).await;
    let racing = races::spawn(races::config(frozen.address(), &coupon, u64::from(TOTAL), CLIENTS));
    until_issued(other.address(), &coupon, TOTAL / 10).await;
    frozen.freeze();
    until("a coupon from the other node", async || {
        let (status, _) = ask(other.address(), &coupon, "another").await;
        (status == 201).then_some(())
    })
    .await;
    frozen.thaw();
    let report = racing.await.expect("the race does not panic");
    assert_eq!(report.unexpected, 0, "{}", races::figures(&report));
    let rows = postgres_rows(&stack.database_url, &coupon).await;
    assert_rows(&rows, &report.issued_answers, TOTAL);
}

/// Redis is rebuilt from the rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_moves_to_the_full_stack_keeps_its_coupons() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let mut before = NodeProcess::postgres("postgres-pessimistic", &stack).start().await;
    races::create_coupon(before.address(), &coupon, 3).await;
    let (_, first) = ask(before.address(), &coupon, "kim").await;
    assert_eq!(before.terminate().await, Some(0));

    let after = NodeProcess::redis_lua(&stack).start().await;
    let again = until("the same coupon", async || {
        let (status, answer) = ask(after.address(), &coupon, "kim").await;
        (status == 200).then_some(answer)
    })
    .await;
    assert_eq!(again, first);
    let (status, second) = ask(after.address(), &coupon, "lee").await;
    assert_eq!((status, &second["sequence"]), (201, &2.into()), "{second}");
}

/// In the other direction, some decisions of Redis may not be in the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_redis_has_issued_is_not_issued_anew() {
    let (stack, coupon, new) = (Stack::shared().await, coupon_id(), coupon_id());
    let before = NodeProcess::redis_lua(&stack).start().await;
    races::create_coupon(before.address(), &coupon, 3).await;
    assert_eq!(ask(before.address(), &coupon, "kim").await.0, 201);
    races::until_persisted(&stack.database_url, &coupon, 1).await;
    drop(before);
    let after = NodeProcess::postgres("postgres-pessimistic", &stack).start().await;
    races::create_coupon(after.address(), &new, 1).await;
    assert_eq!(ask(after.address(), &new, "kim").await.0, 201);
    for member in ["kim", "lee"] {
        let (status, answer) = ask(after.address(), &coupon, member).await;
        assert_eq!((status, &answer["code"]), (503, &"recovering".into()), "{answer}");
    }
}

/// A creator that dies between the catalogue and the engine leaves a coupon that only the catalogue knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_whose_creator_died_half_way_is_served_all_the_same() {
    let stack = Stack::shared().await;
    let (one, coupon) = (NodeProcess::postgres("postgres-optimistic", &stack).start().await, coupon_id());
    let mut database = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    sqlx::query(
        "INSERT INTO coupons VALUES ($1, 'n', 'd', 'x', 2, now() - interval '1 hour', NULL, NULL, 'active',
            decode(repeat('07', 32), 'hex'), now())",
    )
    .bind(&coupon)
    .execute(&mut database)
    .await
    .expect("it can be written");
    let first = until("the first coupon", async || {
        let (status, answer) = ask(one.address(), &coupon, "kim").await;
        // The node learns of the coupon in the next full round of its gate keeper.
        assert!(matches!(status, 201 | 404 | 503), "{answer}");
        (status == 201).then_some(answer)
    })
    .await;
    assert_eq!(first["sequence"], 1);
}
