//! Several nodes behind the gateway, one of which dies.

use crate::gateway::Gateway;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, assert_promise_kept, assert_rows, until_issued, until_persisted};
use crate::support::shared::coupon_id;
use crate::upstream::{Behavior, Upstream};

use reqwest::Method;

const TOTAL: u32 = 1_000;
const MEMBERS: u64 = 3_000;
const CLIENTS: usize = 64;
/// Statuses that are allowed in a race. nginx logs 499 for a client that hung up.
const ALLOWED_STATUSES: [u64; 6] = [200, 201, 409, 429, 499, 503];

#[tokio::test(flavor = "multi_thread")]
async fn private_a_node_killed_under_load_loses_nothing_and_clients_get_problems_only() {
    let stack = Stack::shared().await;
    let (one, mut other) =
        tokio::join!(NodeProcess::redis_lua(&stack).start(), NodeProcess::redis_lua(&stack).start());
    let gateway = Gateway::before(&[one.address(), other.address()]).start().await;
    let coupon = coupon_id();
    races::create_coupon(one.address(), &coupon, TOTAL).await;
    let race = races::spawn(races::config(gateway.public, &coupon, MEMBERS, CLIENTS));
    until_issued(one.address(), &coupon, TOTAL / 4).await;
    other.kill();
    let report = race.await.expect("no panic");
    eprintln!("through the gateway: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    assert_eq!(report.unexpected, 0, "{:?}", report.unexpected_examples);
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);

    let is_issue_request =
        |line: &&serde_json::Value| line["path"].as_str().is_some_and(|path| path.ends_with("/issuances"));
    let lines =
        gateway.logged(|lines| lines.iter().filter(is_issue_request).count() as u64 >= report.requests).await;
    let issue_requests: Vec<_> = lines.iter().filter(is_issue_request).collect();
    for line in &issue_requests {
        let status = line["status"].as_u64().expect("a status");
        assert!(ALLOWED_STATUSES.contains(&status), "{line}");
    }
    for node in [one.address(), other.address()] {
        let went_there =
            |line: &&&serde_json::Value| line["node"].as_str().is_some_and(|n| n.contains(&node.to_string()));
        assert!(issue_requests.iter().filter(went_there).count() > 0, "{node} got no request");
    }
}

/// A node that hung up may have executed the request, so only repeatable requests go to another node.
#[tokio::test]
async fn only_issue_requests_go_to_another_node_after_one_hangs_up() {
    let dying = Upstream::start(Behavior::HangUp).await;
    let healthy = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[dying.address, healthy.address]).start().await;
    for member in 0..4 {
        assert_eq!(gateway.click("c", &format!("m{member}")).await.status, 201);
    }
    assert!(!dying.requests().is_empty(), "the dying node got no request, so this shows nothing");

    let gateway = Gateway::before(&[dying.address, healthy.address]).start().await;
    let before = healthy.requests().len();
    let mut failed = 0;
    for _ in 0..4 {
        let call = gateway.operate(Method::POST, "/v1/coupons/c/pause").await;
        if call.status != 201 {
            call.assert_problem(503, "unavailable");
            failed += 1;
        }
    }
    assert!(failed > 0, "the dying node got no request");
    assert_eq!(healthy.requests().len() - before, 4 - failed, "no call was executed twice");
}

#[tokio::test]
async fn connections_to_nodes_are_reused() {
    let node = Upstream::start(Behavior::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/v1/coupons").await.status, 201);
    }
    // More than one connection is possible: a client may reconnect to nginx and reach another worker.
    assert!(node.connections() < 10, "{} connections for 20 requests", node.connections());
}
