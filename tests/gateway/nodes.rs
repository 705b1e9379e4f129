//! The nodes behind it: several, of which one may die.

use crate::gateway::Gateway;
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{self, assert_promise_kept, assert_rows, until_issued, until_persisted};
use crate::support::shared::coupon_id;
use crate::upstream::{Manner, Upstream};

use reqwest::Method;

const TOTAL: u32 = 1_000;
const MEMBERS: u64 = 3_000;
const CLIENTS: usize = 64;
/// What a client may be told in a race. 499 is logged where a client hung up.
const TRUE_ANSWERS: [u64; 6] = [200, 201, 409, 429, 499, 503];

#[tokio::test(flavor = "multi_thread")]
async fn private_a_node_killed_under_load_loses_nothing_and_clients_hear_problems_only() {
    let stack = Stack::shared().await;
    let (one, mut other) =
        tokio::join!(NodeProcess::redis_lua(&stack).start(), NodeProcess::redis_lua(&stack).start());
    let gateway = Gateway::before(&[one.address(), other.address()]).start().await;
    let coupon = coupon_id();
    races::create_coupon(one.address(), &coupon, TOTAL).await;
    let race = races::spawn(races::config(gateway.public, &coupon, MEMBERS, CLIENTS));
    until_issued(one.address(), &coupon, TOTAL / 4).await;
    other.kill();
    let report = race.await.expect("it does not panic");
    eprintln!("through the gateway: {}", races::figures(&report));
    assert_promise_kept(&report, TOTAL);
    assert_eq!(report.unexpected, 0, "{:?}", report.unexpected_examples);
    assert_rows(&until_persisted(&stack.database_url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);

    let asks =
        |line: &&serde_json::Value| line["path"].as_str().is_some_and(|path| path.ends_with("/issuances"));
    let lines = gateway.logged(|lines| lines.iter().filter(asks).count() as u64 >= report.requests).await;
    let asked: Vec<_> = lines.iter().filter(asks).collect();
    for line in &asked {
        let status = line["status"].as_u64().expect("a status");
        assert!(TRUE_ANSWERS.contains(&status), "{line}");
    }
    for node in [one.address(), other.address()] {
        let led =
            |line: &&&serde_json::Value| line["node"].as_str().is_some_and(|n| n.contains(&node.to_string()));
        assert!(asked.iter().filter(led).count() > 0, "{node} was never asked");
    }
}

/// A node that hung up may have carried it out: only what can be repeated goes to another one.
#[tokio::test]
async fn a_click_goes_to_another_node_when_one_hangs_up_and_an_operators_call_does_not() {
    let (dying, well) = (Upstream::start(Manner::HangUp).await, Upstream::start(Manner::Answer).await);
    let gateway = Gateway::before(&[dying.address, well.address]).start().await;
    for member in 0..4 {
        assert_eq!(gateway.click("c", &format!("m{member}")).await.status, 201);
    }
    assert!(!dying.asked().is_empty(), "it was never asked, so nothing was shown");

    let gateway = Gateway::before(&[dying.address, well.address]).start().await;
    let before = well.asked().len();
    let mut failed = 0;
    for _ in 0..4 {
        let call = gateway.operate(Method::POST, "/v1/coupons/c/pause").await;
        if call.status != 201 {
            call.assert_problem(503, "unavailable");
            failed += 1;
        }
    }
    assert!(failed > 0, "the dying node was never asked");
    assert_eq!(well.asked().len() - before, 4 - failed, "nothing was carried out twice");
}

#[tokio::test]
async fn connections_to_nodes_are_kept() {
    let node = Upstream::start(Manner::Answer).await;
    let gateway = Gateway::before(&[node.address]).start().await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/v1/coupons").await.status, 201);
    }
    // One would do; a client may have lost its own connection to nginx and come to another worker.
    assert!(node.connections() < 10, "{} connections for 20 requests", node.connections());
}
