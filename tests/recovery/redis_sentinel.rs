//! Sentinels promote a replica under load: nodes find it by themselves, and exactly all coupons are issued.

use openrun_load::RaceReport;

use crate::arrange::start_on_fixed_port;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, assert_promise_kept, assert_rows, count_holders, until_issued, until_persisted,
};
use crate::support::services::SentinelSet;

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_500;
const CLIENTS: usize = 64;

/// Races on two nodes, with `fault` on the primary after a third is issued.
async fn race(fault: impl AsyncFnOnce(&mut SentinelSet)) {
    let mut sentinels = SentinelSet::start().await;
    let stack = Stack::with_redis(&sentinels.url()).await;
    let (one, other) = tokio::join!(
        start_on_fixed_port(NodeProcess::redis_lua(&stack)),
        start_on_fixed_port(NodeProcess::redis_lua(&stack))
    );
    races::create_coupon(one.address(), "drop", TOTAL).await;
    let race = |node: &NodeProcess| races::spawn(races::config(node.address(), "drop", MEMBERS, CLIENTS));
    let (here, there) = (race(&one), race(&other));
    let issued = until_issued(one.address(), "drop", TOTAL / 3).await;
    assert!(issued < TOTAL, "the race was over before the fault");
    fault(&mut sentinels).await;
    let reports: [RaceReport; 2] =
        [here.await.expect("the race does not panic"), there.await.expect("the race does not panic")];
    for report in &reports {
        eprintln!("sentinel: {}", races::figures(report));
        assert_promise_kept(report, TOTAL);
        assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
    }
    let rows = until_persisted(&stack.database_url, "drop", TOTAL).await;
    for report in &reports {
        assert_rows(&rows, &report.issued_answers, TOTAL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_under_load() {
    race(async |sentinels| {
        let primary = sentinels.primary().await;
        let port = primary.port();
        primary.kill();
        sentinels.until_promoted(port).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_under_load_and_does_no_harm_when_it_thaws() {
    race(async |sentinels| {
        let primary = sentinels.primary().await;
        let port = primary.port();
        primary.pause();
        sentinels.until_promoted(port).await;
        sentinels.server(port).resume();
        sentinels.until_demoted(port).await;
    })
    .await;
}
