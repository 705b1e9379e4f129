//! Reconciling during a race: issuances in flight are not drift.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::arrange::CommandOutput;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, assert_promise_kept, until, until_persisted};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 6_000;
const TOTAL: u32 = 4_000;
const CLIENTS: usize = 128;

/// Reconciles repeatedly until the race is over and checks every output. Returns the number of runs while coupons were
/// being issued.
async fn reconcile_while_racing(address: SocketAddr, coupon: &str, settings: &[(&str, &str)]) -> u32 {
    let over = Arc::new(AtomicBool::new(false));
    let racing = {
        let (over, config) = (Arc::clone(&over), races::config(address, coupon, MEMBERS, CLIENTS));
        tokio::spawn(async move {
            let report = races::run(config).await;
            over.store(true, Ordering::Relaxed);
            report
        })
    };
    let mut in_between = 0;
    while !over.load(Ordering::Relaxed) {
        let output = CommandOutput::of(&["reconcile", "--json", "--coupon", coupon], settings).await;
        assert_no_drift(&output);
        let verification = CommandOutput::of(&["verify", "--json", "--coupon", coupon], settings).await;
        assert_nothing_but_delays(&verification);
        let issued = output.coupon()["issued"].as_u64().unwrap_or(0);
        in_between += u32::from(issued > 0 && issued < u64::from(TOTAL));
    }
    let report = racing.await.expect("no panic");
    eprintln!("{in_between} runs in between: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    in_between
}

/// `verify` expects data at rest and reports issuances in flight as delayed, but never as lost, extra or conflicting.
fn assert_nothing_but_delays(output: &CommandOutput) {
    for (name, offenders) in output.broken_promises() {
        let late = name == "told_is_stored" && offenders.iter().all(|text| text.starts_with("delayed"));
        // Batches of rows are written in any order.
        assert!(late || name == "dense", "{output:#?}");
    }
}

/// On a slow machine a row may be delayed, and then the run repairs it.
fn assert_no_drift(output: &CommandOutput) {
    assert_eq!(output.code, 0, "{output:#?}");
    assert!(output.findings().iter().all(|found| found.kind == "delayed"), "{output:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_on_the_full_stack_is_not_drift() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let node = NodeProcess::redis_lua(&stack).set("OPENRUN_RECONCILE_INTERVAL", "1").start().await;
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    let in_between = reconcile_while_racing(node.address(), &coupon, &stack.settings()).await;
    assert!(in_between > 0, "no run fell into the race");
    until_persisted(&stack.database_url, &coupon, TOTAL).await;
    until("nothing in flight", async || {
        let output =
            CommandOutput::of(&["reconcile", "--json", "--coupon", &coupon], &stack.settings()).await;
        assert_no_drift(&output);
        (output.coupon()["in_flight"] == 0 && output.coupon()["outbox"] == 0).then_some(())
    })
    .await;
    let remaining = races::metric(node.address(), "openrun_drift", "").await;
    assert!(remaining < 1.0, "the node reported drift: {}", node.log());
    let verification = CommandOutput::of(&["verify", "--json", "--coupon", &coupon], &stack.settings()).await;
    assert_eq!((verification.code, verification.broken_promises()), (0, vec![]), "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_on_the_embedded_engine_is_not_drift() {
    let node = NodeProcess::embedded().set("OPENRUN_RECONCILE_INTERVAL", "1").start().await;
    races::create_coupon(node.address(), "drop", TOTAL).await;
    let directory = node.data_dir();
    let settings = [("OPENRUN_DATA_DIR", directory.to_str().expect("text"))];
    let in_between = reconcile_while_racing(node.address(), "drop", &settings).await;
    assert!(in_between > 0, "no run fell into the race");
    let remaining = races::metric(node.address(), "openrun_drift", "").await;
    assert!(remaining < 1.0, "the node reported drift: {}", node.log());
}
