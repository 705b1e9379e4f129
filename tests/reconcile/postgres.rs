//! Reconcile and verify on an engine that decides in PostgreSQL, where counter and rows change in one transaction.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::arrange::CommandOutput;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{ask, create_coupon};

const ENGINE: &str = "postgres-pessimistic";

/// A coupon of 10 with 5 issuances.
async fn consistent() -> Arc<Stack> {
    let stack = Stack::shared().await;
    let mut node = NodeProcess::postgres(ENGINE, &stack).start().await;
    create_coupon(node.address(), "drop", 10).await;
    for number in 1..=5 {
        assert_eq!(ask(node.address(), "drop", &format!("m{number}")).await.0, 201);
    }
    assert_eq!(node.terminate().await, Some(0));
    stack
}

/// Runs statements without the protection of triggers.
async fn sql(stack: &Stack, statements: &str) {
    let mut connection = PgConnection::connect(&stack.database_url).await.expect("PostgreSQL is there");
    let statements = format!("SET session_replication_role = replica; {statements}");
    connection.execute(AssertSqlSafe(statements)).await.expect("the statements succeed");
}

async fn run(command: &str, stack: &Stack) -> CommandOutput {
    let settings = [("OPENRUN_ENGINE", ENGINE), ("OPENRUN_DATABASE_URL", &*stack.database_url)];
    CommandOutput::of(&[command, "--json"], &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn consistent_data_agrees_and_breaks_no_promise() {
    let stack = consistent().await;
    let output = run("reconcile", &stack).await;
    output.assert_findings(&[]);
    assert_eq!((&output.coupon()["rows"], &output.coupon()["participants"]), (&5.into(), &5.into()));
    assert_eq!(output.json()["engine"], ENGINE);
    let verification = run("verify", &stack).await;
    assert_eq!((verification.code, verification.broken_promises()), (0, vec![]), "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_are_reported() {
    let stack = consistent().await;
    sql(&stack, "DELETE FROM coupon_issuances WHERE sequence = 3").await;
    run("reconcile", &stack).await.assert_findings(&[("gap", Some(3), None)]);
    // Without the last row there is no gap, but the counter differs.
    sql(&stack, "DELETE FROM coupon_issuances WHERE sequence = 5").await;
    let output = run("reconcile", &stack).await;
    output.assert_findings(&[("counts", None, None), ("gap", Some(3), None)]);
    let broken = run("verify", &stack).await;
    assert_eq!(broken.code, 1, "{broken:#?}");
}

/// Verifying needs no right to change the data.
#[tokio::test(flavor = "multi_thread")]
async fn the_error_for_a_user_without_rights_names_the_missing_grants() {
    let stack = consistent().await;
    let user = format!("auditor_{}", uuid::Uuid::new_v4().simple());
    sql(&stack, &format!("CREATE ROLE {user} LOGIN")).await;
    let mut url = url::Url::parse(&stack.database_url).expect("a URL");
    url.set_username(&user).expect("the URL can have a user");
    let settings = [("OPENRUN_ENGINE", ENGINE), ("OPENRUN_DATABASE_URL", url.as_str())];
    for command in ["verify", "reconcile"] {
        let output = CommandOutput::of(&[command], &settings).await;
        assert_eq!((output.code, output.stderr.trim().lines().count()), (2, 1), "{output:#?}");
        let of_migrations = format!("run: GRANT SELECT ON _sqlx_migrations TO \"{user}\"; ");
        assert!(output.stderr.contains(&of_migrations), "{output:#?}");
        assert!(!output.stderr.contains("INSERT") && !output.stderr.contains("UPDATE"), "{output:#?}");
    }
    let output = CommandOutput::of(&["verify"], &settings).await.stderr;
    let (_, grants) = output.split_once("tables run: ").expect("the statements to run");
    let (grants, _) = grants.rsplit_once(" (").expect("the setting in parentheses");
    sql(&stack, grants).await;
    for command in ["verify", "reconcile"] {
        let output = CommandOutput::of(&[command], &settings).await;
        assert_eq!(output.code, 0, "{output:#?}");
    }
}
