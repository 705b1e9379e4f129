//! Reconcile and verify on the embedded engine: its issuances are the rows.

use std::path::Path;

use openrun::persistence::sqlite::{EmbeddedEngine, SqliteCatalog, SqliteDatabase};
use openrun::ports::CouponCatalog;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::arrange::{CommandOutput, issue, open_coupon};
use crate::support::node::NodeProcess;
use crate::support::races::{ask, create_coupon, http};

/// A data directory with a coupon of 10 and 5 issuances.
async fn consistent() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = SqliteDatabase::open(directory.path()).await.expect("a new database");
    let coupon = open_coupon("drop", 10);
    SqliteCatalog::new(database.clone()).create(&coupon).await.expect("a new coupon");
    issue(&EmbeddedEngine::new(database.clone()), &coupon, 5).await;
    database.close().await;
    directory
}

/// Runs statements without the protection of triggers.
async fn sql(directory: &Path, statements: &str) {
    let url = format!("sqlite://{}", directory.join("openrun.sqlite").display());
    let mut file = SqliteConnection::connect(&url).await.expect("the database opens");
    let statements = format!(
        "DROP TRIGGER issuance_is_final; DROP TRIGGER issuance_above_total; DROP TRIGGER coupon_total_below_issued; \
         {statements}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut file).await.expect("the statements succeed");
    file.close().await.expect("the database closes");
}

async fn run(command: &str, directory: &Path) -> CommandOutput {
    let directory = directory.to_str().expect("text");
    CommandOutput::of(&[command, "--json"], &[("OPENRUN_DATA_DIR", directory)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn consistent_data_agrees_and_breaks_no_promise() {
    let directory = consistent().await;
    let output = run("reconcile", directory.path()).await;
    output.assert_findings(&[]);
    assert_eq!((&output.coupon()["rows"], &output.coupon()["participants"]), (&5.into(), &5.into()));
    let verification = run("verify", directory.path()).await;
    assert_eq!((verification.code, verification.broken_promises()), (0, vec![]), "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_row_leaves_a_gap_that_cannot_be_filled() {
    let directory = consistent().await;
    sql(directory.path(), "DELETE FROM coupon_issuances WHERE sequence = 3").await;
    run("reconcile", directory.path()).await.assert_findings(&[("gap", Some(3), None)]);
    let broken = run("verify", directory.path()).await;
    let names: Vec<_> = broken.broken_promises().into_iter().map(|(name, _)| name).collect();
    assert_eq!((broken.code, names), (1, vec!["dense".to_owned(), "told_is_stored".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn uncounted_and_changed_rows_are_reported() {
    let directory = consistent().await;
    sql(
        directory.path(),
        "INSERT INTO coupon_issuances VALUES ('drop', 12, 'eve', '00000-00000-00000-00000', 'UNUSED', 5);
         UPDATE coupon_issuances SET code = '00000-00000-00000-00001' WHERE sequence = 2",
    )
    .await;
    let output = run("reconcile", directory.path()).await;
    output.assert_findings(&[
        ("conflicting", Some(2), Some("m2")),
        ("counts", Some(12), None),
        ("conflicting", Some(12), Some("eve")),
    ]);
    let broken: Vec<_> =
        run("verify", directory.path()).await.broken_promises().into_iter().map(|(name, _)| name).collect();
    assert_eq!(broken, ["dense", "within_total", "codes", "in_order", "told_is_stored", "counts_agree"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_is_read_beside_the_node() {
    let node = NodeProcess::embedded().start().await;
    create_coupon(node.address(), "drop", 10).await;
    for number in 0..3 {
        assert_eq!(ask(node.address(), "drop", &format!("m{number}")).await.0, 201);
    }
    run("reconcile", &node.data_dir()).await.assert_findings(&[]);
    let verification = run("verify", &node.data_dir()).await;
    assert_eq!((verification.code, &verification.coupon()["rows"]), (0, &3.into()), "{verification:#?}");
    assert_eq!(ask(node.address(), "drop", "m9").await.0, 201, "the node continues to serve");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_coupon_affects_no_other_and_is_never_reported_as_unknown() {
    let mut node = NodeProcess::embedded().start().await;
    for coupon in ["bad", "good"] {
        create_coupon(node.address(), coupon, 3).await;
        assert_eq!(ask(node.address(), coupon, "kim").await.0, 201);
    }
    node.kill();
    let bogus =
        "PRAGMA ignore_check_constraints = 1; UPDATE coupons SET lifecycle = 'bogus' WHERE id = 'bad'";
    sql(&node.data_dir(), bogus).await;
    node.restart().await;
    assert_eq!(ask(node.address(), "good", "kim").await.0, 200);
    assert_eq!(ask(node.address(), "good", "lee").await.0, 201);
    let (status, problem) = ask(node.address(), "bad", "kim").await;
    assert_eq!((status, &problem["code"]), (503, &"recovering".into()), "{problem}");
    let listed = http().get(node.url("/v1/coupons")).send().await.expect("an answer");
    let listed: Value = listed.json().await.expect("a page");
    assert_eq!(listed["coupons"].as_array().map(Vec::len), Some(1), "{listed}");
    let warnings =
        node.log().lines().filter(|line| line.contains("cannot be read") && line.contains("bad")).count();
    assert_eq!(warnings, 1, "one warning names the coupon: {}", node.log());
    assert_eq!(node.terminate().await, Some(0));
    for command in ["reconcile", "verify"] {
        let output = run(command, &node.data_dir()).await;
        assert!(output.code == 1 && output.stdout.contains("it cannot be read"), "{output:#?}");
    }
}
