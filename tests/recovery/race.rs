//! A large race: ten thousand members with two requests each, and a thousand coupons.

use std::net::SocketAddr;

use openrun_load::RaceReport;

use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, assert_promise_kept, assert_rows, count_holders, sqlite_rows, until_persisted,
};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 10_000;
const TOTAL: u32 = 1_000;
/// Members at the same time, each with two connections.
const CLIENTS: usize = 1_500;

async fn race(name: &str, node: SocketAddr, coupon: &str) -> RaceReport {
    races::create_coupon(node, coupon, TOTAL).await;
    let report = races::run(races::config(node, coupon, MEMBERS, CLIENTS)).await;
    eprintln!("{name}: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    assert_eq!(report.members, MEMBERS);
    assert_eq!(count_holders(&report.issued_answers), TOTAL as usize);
    // Both requests of a holder get the same coupon, and both requests of each other member get "sold out".
    assert_eq!(report.issued_answers.len(), 2 * TOTAL as usize);
    assert_eq!(report.issued_first, u64::from(TOTAL), "one request of each holder issued the coupon");
    assert_eq!(report.sold_out, 2 * (MEMBERS - u64::from(TOTAL)));
    assert_eq!((report.not_open, report.closed), (0, 0));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_coupons_for_ten_thousand_members_on_sqlite() {
    let mut node = NodeProcess::embedded().start().await;
    let report = race("embedded", node.address(), "drop").await;
    assert_eq!(node.terminate().await, Some(0));
    assert_rows(&sqlite_rows(&node.data_dir(), "drop").await, &report.issued_answers, TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_coupons_for_ten_thousand_members_on_the_full_stack() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let coupon = coupon_id();
    let report = race("redis-lua", node.address(), &coupon).await;
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
}
