//! The reconciler of a running node, scheduled and by an operator's call.

use serde_json::Value;

use crate::arrange::Stage;
use crate::support::node::NodeProcess;
use crate::support::races::{http, metric, until, until_persisted};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_repairs_and_reports_by_itself() {
    let stage = Stage::consistent().await;
    stage
        .sql(
            "DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 2;
        INSERT INTO coupon_issuances VALUES
            (:coupon, 8, 'eve', '00000-00000-00000-00000', 'UNUSED', now() - interval '1 minute')",
        )
        .await;
    // Without a publisher, so that no sweep can repair the row.
    let node = NodeProcess::redis_lua(&stage.stack)
        .set("OPENRUN_RECONCILE_INTERVAL", "1")
        .set("OPENRUN_ROLES", "reconciler")
        .start()
        .await;
    until_persisted(&stage.stack.database_url, stage.coupon.id.as_str(), 6).await;
    until("the metrics of the run", async || {
        let repaired = metric(node.address(), "openrun_reconcile_repaired_total", "").await;
        let extra = metric(node.address(), "openrun_drift", "kind=\"extra\"").await;
        (repaired > 0.5 && extra > 0.5).then_some(())
    })
    .await;
    assert!(metric(node.address(), "openrun_drift", "kind=\"missing\"").await < 0.5);
    assert!(metric(node.address(), "openrun_reconcile_last_run_timestamp_seconds", "").await > 1e9);
    let log = node.log();
    assert!(log.contains("engine, outbox and database disagree") && log.contains("eve"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_call_reconciles_with_the_schedule_off() {
    let stage = Stage::consistent().await;
    stage.sql("DELETE FROM coupon_issuances WHERE coupon_id = :coupon AND sequence = 2").await;
    stage.until_nothing_in_flight().await;
    let node = NodeProcess::redis_lua(&stage.stack)
        .set("OPENRUN_RECONCILE_INTERVAL", "off")
        .set("OPENRUN_ROLES", "persister,reconciler")
        .start()
        .await;
    let call = async |query: &str| {
        let answer = http().post(node.url(&format!("/v1/admin/reconcile{query}"))).send().await;
        let answer = answer.expect("the node answers");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (status, dry) = call("?dry_run=true").await;
    assert_eq!((status, &dry["unrepaired"], &dry["repaired"]), (200, &1.into(), &0.into()), "{dry}");
    assert_eq!(stage.rows().await.len(), 4, "neither the schedule nor a dry run repairs");
    let (status, report) = call(&format!("?coupon_id={}", stage.coupon.id)).await;
    assert_eq!((status, &report["unrepaired"], &report["repaired"]), (200, &0.into(), &1.into()), "{report}");
    let finding = &report["coupons"][0]["findings"][0];
    assert_eq!((&finding["kind"], &finding["member_id"]), (&"missing".into(), &"m2".into()), "{report}");
    assert_eq!(stage.rows().await, stage.issued);
    // The API returns the same fields as the command.
    let output = stage.reconcile(&[]).await.json();
    assert_eq!(output["coupons"], call("").await.1["coupons"]);
    for (query, status, code) in [
        ("?coupon_id=not%20an%20id", 400, "invalid_parameter"),
        ("?dry_run=perhaps", 400, "invalid_parameter"),
        ("?something=else", 400, "invalid_parameter"),
        ("?coupon_id=unknown-coupon", 404, "no_such_coupon"),
    ] {
        let (answered, problem) = call(query).await;
        assert_eq!((answered, &problem["code"]), (status, &code.into()), "{query}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_reconciles_and_another_takes_over_after_its_death() {
    let stage = Stage::consistent().await;
    let node = || {
        let builder = NodeProcess::redis_lua(&stage.stack).set("OPENRUN_RECONCILE_INTERVAL", "1");
        builder.set("OPENRUN_ROLES", "reconciler").start()
    };
    let (mut one, other) = tokio::join!(node(), node());
    let last_run = async |node: &NodeProcess| {
        metric(node.address(), "openrun_reconcile_last_run_timestamp_seconds", "").await
    };
    let mut other = other;
    let first = until("a run", async || {
        let runs = (last_run(&one).await, last_run(&other).await);
        (runs.0 + runs.1 > 0.5).then_some(runs)
    })
    .await;
    if first.1 > 0.5 {
        std::mem::swap(&mut one, &mut other);
    }
    let start = last_run(&one).await;
    until("some more runs", async || (last_run(&one).await > start + 2.5).then_some(())).await;
    assert!(last_run(&other).await < 0.5, "both nodes reconcile");
    one.kill();
    until("a run of the other", async || (last_run(&other).await > 0.5).then_some(())).await;
}
