//! The same on the embedded engine, whose issuances and rows are one table.

use std::path::Path;

use openrun::persistence::sqlite::{EmbeddedEngine, SqliteCatalog, SqliteDatabase};
use openrun::ports::CouponCatalog;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::arrange::{Told, issue, open_coupon};
use crate::support::node::NodeProcess;
use crate::support::races::{ask, create_coupon, http};

/// A data directory with a coupon of 10, of which 5 are issued.
async fn settled() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = SqliteDatabase::open(directory.path()).await.expect("it can be made");
    let coupon = open_coupon("drop", 10);
    SqliteCatalog::new(database.clone()).create(&coupon).await.expect("it is new");
    issue(&EmbeddedEngine::new(database.clone()), &coupon, 5).await;
    database.close().await;
    directory
}

/// Runs statements as somebody who may do anything, also what triggers forbid.
async fn sql(directory: &Path, statements: &str) {
    let url = format!("sqlite://{}", directory.join("openrun.sqlite").display());
    let mut file = SqliteConnection::connect(&url).await.expect("it can be opened");
    let statements = format!(
        "DROP TRIGGER issuance_is_final; DROP TRIGGER issuance_above_total; DROP TRIGGER coupon_total_below_issued; \
         {statements}"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut file).await.expect("it can be done");
    file.close().await.expect("it can be closed");
}

async fn run(command: &str, directory: &Path) -> Told {
    let directory = directory.to_str().expect("text");
    Told::by(&[command, "--json"], &[("OPENRUN_DATA_DIR", directory)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agrees_is_found_to_agree_and_every_promise_is_held() {
    let directory = settled().await;
    let told = run("reconcile", directory.path()).await;
    told.assert_findings(&[]);
    assert_eq!((&told.coupon()["rows"], &told.coupon()["participants"]), (&5.into(), &5.into()));
    let proven = run("verify", directory.path()).await;
    assert_eq!((proven.code, proven.broken()), (0, vec![]), "{proven:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_gone_leaves_a_gap_that_nobody_can_fill() {
    let directory = settled().await;
    sql(directory.path(), "DELETE FROM coupon_issuances WHERE sequence = 3").await;
    run("reconcile", directory.path()).await.assert_findings(&[("gap", Some(3), None)]);
    let broken = run("verify", directory.path()).await;
    let names: Vec<_> = broken.broken().into_iter().map(|(name, _)| name).collect();
    assert_eq!((broken.code, names), (1, vec!["dense".to_owned(), "told_is_stored".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_engine_did_not_count_or_that_were_changed_are_told() {
    let directory = settled().await;
    sql(
        directory.path(),
        "INSERT INTO coupon_issuances VALUES ('drop', 12, 'eve', '00000-00000-00000-00000', 'UNUSED', 5);
         UPDATE coupon_issuances SET code = '00000-00000-00000-00001' WHERE sequence = 2",
    )
    .await;
    let told = run("reconcile", directory.path()).await;
    told.assert_findings(&[
        ("conflicting", Some(2), Some("m2")),
        ("counts", Some(12), None),
        ("conflicting", Some(12), Some("eve")),
    ]);
    let broken: Vec<_> =
        run("verify", directory.path()).await.broken().into_iter().map(|(name, _)| name).collect();
    assert_eq!(broken, ["dense", "within_total", "codes", "in_order", "told_is_stored", "counts_agree"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_being_served_is_read_beside_the_server() {
    let node = NodeProcess::embedded().start().await;
    create_coupon(node.address(), "drop", 10).await;
    for number in 0..3 {
        assert_eq!(ask(node.address(), "drop", &format!("m{number}")).await.0, 201);
    }
    run("reconcile", &node.data_dir()).await.assert_findings(&[]);
    let proven = run("verify", &node.data_dir()).await;
    assert_eq!((proven.code, &proven.coupon()["rows"]), (0, &3.into()), "{proven:#?}");
    assert_eq!(ask(node.address(), "drop", "m9").await.0, 201, "the server goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_that_cannot_be_read_takes_no_other_down_and_is_never_said_not_to_exist() {
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
    let said =
        node.log().lines().filter(|line| line.contains("cannot be read") && line.contains("bad")).count();
    assert_eq!(said, 1, "once, by its name: {}", node.log());
    assert_eq!(node.terminate().await, Some(0));
    for command in ["reconcile", "verify"] {
        let told = run(command, &node.data_dir()).await;
        assert!(told.code == 1 && told.stdout.contains("it cannot be read"), "{told:#?}");
    }
}
