//! The same on an engine that decides in PostgreSQL, where counter and rows are apart but change together.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::arrange::Told;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{ask, create_coupon};

const ENGINE: &str = "postgres-pessimistic";

/// A coupon of 10, of which 5 are issued.
async fn settled() -> Arc<Stack> {
    let stack = Stack::shared().await;
    let mut node = NodeProcess::postgres(ENGINE, &stack).start().await;
    create_coupon(node.address(), "drop", 10).await;
    for number in 1..=5 {
        assert_eq!(ask(node.address(), "drop", &format!("m{number}")).await.0, 201);
    }
    assert_eq!(node.terminate().await, Some(0));
    stack
}

/// Runs statements as somebody who may do anything, also what triggers forbid.
async fn sql(stack: &Stack, statements: &str) {
    let mut connection = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    let statements = format!("SET session_replication_role = replica; {statements}");
    connection.execute(AssertSqlSafe(statements)).await.expect("it can be done");
}

async fn run(command: &str, stack: &Stack) -> Told {
    let settings = [("OPENRUN_ENGINE", ENGINE), ("OPENRUN_DATABASE_URL", &*stack.database_url)];
    Told::by(&[command, "--json"], &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agrees_is_found_to_agree_and_every_promise_is_held() {
    let stack = settled().await;
    let told = run("reconcile", &stack).await;
    told.assert_findings(&[]);
    assert_eq!((&told.coupon()["rows"], &told.coupon()["participants"]), (&5.into(), &5.into()));
    assert_eq!(told.json()["engine"], ENGINE);
    let proven = run("verify", &stack).await;
    assert_eq!((proven.code, proven.broken()), (0, vec![]), "{proven:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_are_told() {
    let stack = settled().await;
    sql(&stack, "DELETE FROM coupon_issuances WHERE sequence = 3").await;
    run("reconcile", &stack).await.assert_findings(&[("gap", Some(3), None)]);
    // The last one leaves no gap, but the counter knows of it.
    sql(&stack, "DELETE FROM coupon_issuances WHERE sequence = 5").await;
    let told = run("reconcile", &stack).await;
    told.assert_findings(&[("counts", None, None), ("gap", Some(3), None)]);
    let broken = run("verify", &stack).await;
    assert_eq!(broken.code, 1, "{broken:#?}");
}
