//! Sentinels promote a replica under load: nodes find it by themselves, and exactly all coupons are issued.

use std::sync::Arc;
use std::time::Instant;

use crate::arrange::start_on_fixed_port;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{
    self, assert_promise_kept, assert_rows, count_holders, postgres_rows, request_coupon, until_issued,
    until_persisted,
};
use crate::support::services::{PrivateRedis, SentinelSet};

const MEMBERS: u64 = 2 * TOTAL as u64;
const TOTAL: u32 = 1_500;
const CLIENTS: usize = 64;

/// Two nodes that ask sentinels for their Redis.
struct Pair {
    sentinels: SentinelSet,
    stack: Arc<Stack>,
    one: NodeProcess,
    other: NodeProcess,
}

impl Pair {
    async fn start() -> Self {
        let sentinels = SentinelSet::start().await;
        let stack = Stack::with_redis(&sentinels.url()).await;
        let (one, other) = tokio::join!(
            start_on_fixed_port(NodeProcess::redis_lua(&stack)),
            start_on_fixed_port(NodeProcess::redis_lua(&stack))
        );
        races::create_coupon(one.address(), "drop", TOTAL).await;
        Self { sentinels, stack, one, other }
    }

    /// Races on both nodes. After a third is issued `fault` meets the primary; `heal` follows when a node issues on the
    /// promoted server. Panics unless the answers equal the rows and all coupons are issued.
    /// Gives the port of the primary of before.
    async fn race(
        &mut self,
        fault: impl FnOnce(&mut PrivateRedis),
        heal: impl FnOnce(&mut PrivateRedis),
    ) -> u16 {
        let race = |node: &NodeProcess| races::spawn(races::config(node.address(), "drop", MEMBERS, CLIENTS));
        let (here, there) = (race(&self.one), race(&self.other));
        let issued = until_issued(self.one.address(), "drop", TOTAL / 3).await;
        assert!(issued < TOTAL, "the race was over before the fault");
        let primary = self.sentinels.primary().await;
        let old_port = primary.port();
        fault(primary);
        self.sentinels.until_promoted(old_port).await;
        let promoted = Instant::now();
        let issued = until_issued(self.one.address(), "drop", 1).await;
        until_issued(self.one.address(), "drop", TOTAL.min(issued + 1)).await;
        eprintln!("sentinel: issues {:?} after the promotion", promoted.elapsed());
        heal(self.sentinels.server(old_port));
        let reports = [here.await.expect("no panic"), there.await.expect("no panic")];
        for report in &reports {
            eprintln!("sentinel: {}", races::figures(report));
            assert_promise_kept(report, TOTAL);
            assert_eq!(count_holders(&report.issued_answers), TOTAL as usize, "every coupon has a holder");
        }
        let rows = until_persisted(&self.stack.database_url, "drop", TOTAL).await;
        for report in &reports {
            assert_rows(&rows, &report.issued_answers, TOTAL);
        }
        old_port
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_replaced_under_load() {
    let mut pair = Pair::start().await;
    pair.race(PrivateRedis::kill, |_| ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_replaced_under_load_and_does_no_harm_when_it_thaws() {
    let mut pair = Pair::start().await;
    let old_port = pair.race(|primary| primary.pause(), |primary| primary.resume()).await;
    pair.sentinels.until_demoted(old_port).await;
    let rows = postgres_rows(&pair.stack.database_url, "drop").await;
    for node in [&pair.one, &pair.other] {
        let (status, body) = request_coupon(node.address(), "drop", &rows[0].1).await;
        assert_eq!((status, body["code"].as_str()), (200, Some(rows[0].2.as_str())), "{body}");
    }
}
