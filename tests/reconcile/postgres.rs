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

/// Whoever proves the promises needs no right to change what is proven.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_told_what_it_takes_to_read() {
    let stack = settled().await;
    let user = format!("auditor_{}", uuid::Uuid::new_v4().simple());
    sql(&stack, &format!("CREATE ROLE {user} LOGIN")).await;
    let mut url = url::Url::parse(&stack.database_url).expect("it is a URL");
    url.set_username(&user).expect("it can have a user");
    let settings = [("OPENRUN_ENGINE", ENGINE), ("OPENRUN_DATABASE_URL", url.as_str())];
    for command in ["verify", "reconcile"] {
        let told = Told::by(&[command], &settings).await;
        assert_eq!((told.code, told.stderr.trim().lines().count()), (2, 1), "{told:#?}");
        let of_migrations = format!("run: GRANT SELECT ON _sqlx_migrations TO \"{user}\"; ");
        assert!(told.stderr.contains(&of_migrations), "{told:#?}");
        assert!(!told.stderr.contains("INSERT") && !told.stderr.contains("UPDATE"), "{told:#?}");
    }
    let told = Told::by(&["verify"], &settings).await.stderr;
    let (_, grants) = told.split_once("tables run: ").expect("it says what to run");
    let (grants, _) = grants.rsplit_once(" (").expect("it says which setting");
    sql(&stack, grants).await;
    for command in ["verify", "reconcile"] {
        let told = Told::by(&[command], &settings).await;
        assert_eq!(told.code, 0, "{told:#?}");
    }
}
