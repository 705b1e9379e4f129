//! Two nodes on one stack: whoever asks both gets the same coupon from both.

use std::collections::BTreeMap;

use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, assert_promise_kept, assert_rows, until_persisted, winners};
use crate::support::shared::coupon_id;

const MEMBERS: u64 = 2_000;
const TOTAL: u32 = 1_000;
const CLIENTS: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn members_who_click_on_two_nodes_at_once_hold_one_coupon() {
    let (stack, coupon) = (Stack::shared().await, coupon_id());
    let (one, other) =
        tokio::join!(NodeProcess::redis_lua(&stack).start(), NodeProcess::redis_lua(&stack).start());
    races::create_coupon(one.address(), &coupon, TOTAL).await;
    let race = |node: &NodeProcess| races::spawn(races::config(node.address(), &coupon, MEMBERS, CLIENTS));
    let (here, there) = tokio::join!(race(&one), race(&other));
    let (here, there) = (here.expect("it does not panic"), there.expect("it does not panic"));
    for report in [&here, &there] {
        eprintln!("one of two nodes: {}", races::figures(report));
        assert_promise_kept(report, TOTAL);
        // Each winner asked both nodes, so each node told every one of them.
        assert_eq!(winners(&report.told), TOTAL as usize);
    }
    assert_eq!(here.issued_first + there.issued_first, u64::from(TOTAL), "each is new on one node only");
    let codes: BTreeMap<_, _> = here.told.iter().map(|told| (&told.member_id, &told.code)).collect();
    for told in &there.told {
        assert_eq!(codes.get(&told.member_id), Some(&&told.code), "{} has two codes", told.member_id);
    }
    let told: Vec<_> = here.told.iter().chain(&there.told).cloned().collect();
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &told, TOTAL);
}
