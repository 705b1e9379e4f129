//! Reconciling all the time while a crowd races: what is on its way is no drift.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::arrange::Told;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, assert_promise_kept, until, until_persisted};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 6_000;
const TOTAL: u32 = 4_000;
const CLIENTS: usize = 128;

/// Reconciles again and again until the race is over, and checks every answer; gives how many there were while coupons
/// were being issued.
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
        let told = Told::by(&["reconcile", "--json", "--coupon", coupon], settings).await;
        assert_no_drift(&told);
        let proven = Told::by(&["verify", "--json", "--coupon", coupon], settings).await;
        assert_only_on_its_way(&proven);
        let issued = told.coupon()["issued"].as_u64().unwrap_or(0);
        in_between += u32::from(issued > 0 && issued < u64::from(TOTAL));
    }
    let report = racing.await.expect("no panic");
    eprintln!("{in_between} runs in between: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    in_between
}

/// To `verify`, which is for data at rest, what is on its way is late; but it never looks lost, strange or contradictory.
fn assert_only_on_its_way(told: &Told) {
    for (name, offenders) in told.broken() {
        let late = name == "told_is_stored" && offenders.iter().all(|who| who.starts_with("delayed"));
        // Rows are written batch by batch, and not in order.
        assert!(late || name == "dense", "{told:#?}");
    }
}

/// On a machine that is slow enough a row may come late, and then it is written by whoever notices first.
fn assert_no_drift(told: &Told) {
    assert_eq!(told.code, 0, "{told:#?}");
    assert!(told.findings().iter().all(|found| found.kind == "delayed"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_on_the_full_stack_is_never_taken_for_drift() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let node = NodeProcess::redis_lua(&stack).set("OPENRUN_RECONCILE_INTERVAL", "1").start().await;
    races::create_coupon(node.address(), &coupon, TOTAL).await;
    let in_between = reconcile_while_racing(node.address(), &coupon, &stack.settings()).await;
    assert!(in_between > 0, "no run saw the race");
    until_persisted(&stack.database_url, &coupon, TOTAL).await;
    until("nothing in flight", async || {
        let told = Told::by(&["reconcile", "--json", "--coupon", &coupon], &stack.settings()).await;
        assert_no_drift(&told);
        (told.coupon()["in_flight"] == 0 && told.coupon()["outbox"] == 0).then_some(())
    })
    .await;
    let remaining = races::metric(node.address(), "openrun_drift", "").await;
    assert!(remaining < 1.0, "the node took the race for drift: {}", node.log());
    let proven = Told::by(&["verify", "--json", "--coupon", &coupon], &stack.settings()).await;
    assert_eq!((proven.code, proven.broken()), (0, vec![]), "{proven:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_on_the_embedded_engine_is_never_taken_for_drift() {
    let node = NodeProcess::embedded().set("OPENRUN_RECONCILE_INTERVAL", "1").start().await;
    races::create_coupon(node.address(), "drop", TOTAL).await;
    let directory = node.data_dir();
    let settings = [("OPENRUN_DATA_DIR", directory.to_str().expect("text"))];
    let in_between = reconcile_while_racing(node.address(), "drop", &settings).await;
    assert!(in_between > 0, "no run saw the race");
    let remaining = races::metric(node.address(), "openrun_drift", "").await;
    assert!(remaining < 1.0, "the node took the race for drift: {}", node.log());
}
