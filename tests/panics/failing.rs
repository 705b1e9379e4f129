//! Actors that die too often stay down: readiness, metrics and answers say so, the rest of the node goes on, and an
//! operator restarts them.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use openrun::bootstrap::{Node, Settings};
use openrun::fault_injection::panics;
use serde_json::Value;

use crate::operators::{readiness, restart_failed, until_failed};
use crate::stage::{embedded, full_stack, in_system, redis_lua};
use crate::support::races::{
    self, ask, assert_promise_kept, assert_rows, create_coupon, metric, sqlite_rows, until, until_persisted,
};

/// The first death, and one after each of the five allowed restarts.
const TOO_MANY: u32 = 6;
const TOTAL: u32 = 64;
/// Above the timeout of the test's client, so that a request which waits for it fails the test.
const FOR_EVER: Duration = Duration::from_secs(600);

async fn ask_all(node: SocketAddr, coupon: &str) -> Vec<(u16, Value)> {
    join_all((1..=TOTAL).map(|n| async move { ask(node, coupon, &format!("m{n}")).await })).await
}

#[test]
fn a_coupon_event_that_dies_too_often_stays_down_and_no_other_coupon_suffers() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    in_system(async {
        let settings = Settings { request_timeout: FOR_EVER, ..embedded(folder.path()) };
        let node = Node::start(settings).await.expect("the node starts");
        let at = node.address;
        create_coupon(at, "drop", TOTAL).await;
        create_coupon(at, "other", 500).await;
        assert_eq!(readiness(at).await.0, 200);

        panics::arm("coupon-event.handler", TOO_MANY);
        for (status, problem) in ask_all(at, "drop").await {
            let code = problem["code"].as_str().unwrap_or_default();
            assert!(status == 503 && ["recovering", "outcome_unknown"].contains(&code), "{problem}");
        }
        assert_eq!(panics::left("coupon-event.handler"), 0);
        until_failed(at, "coupon-event/drop").await;
        assert!((metric(at, "openrun_actors_failed", "kind=\"coupon-event\"").await - 1.0).abs() < 0.5);

        // New requests are answered at once with "recovering", and the other coupon is served as before.
        let racing = races::spawn(races::config(at, "other", 1_000, 32));
        for (status, problem) in ask_all(at, "drop").await {
            assert_eq!((status, problem["code"].as_str()), (503, Some("recovering")), "{problem}");
        }
        let report = racing.await.expect("the race does not panic");
        assert_promise_kept(&report, 500);
        assert_eq!(races::count_holders(&report.issued_answers), 500);

        restart_failed(at, "coupon-event/drop").await;
        assert!(metric(at, "openrun_actors_failed", "kind=\"coupon-event\"").await.abs() < 0.5);
        // All its restarts are allowed again.
        panics::arm("coupon-event.handler", TOO_MANY - 1);
        let answers = ask_all(at, "drop").await;
        assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
        assert_eq!(readiness(at).await.0, 200);
        node.stop().await;
    });
    in_system(async {
        assert_eq!(sqlite_rows(folder.path(), "drop").await.len(), TOTAL as usize);
    });
}

/// On the full stack: panics at `points` make `name` stay down. After its restart PostgreSQL has every issuance.
fn fails_and_returns(name: &'static str, points: &'static [(&'static str, u32)]) {
    in_system(async move {
        let (_database, stack, coupon) = full_stack().await;
        let url = stack.database.clone();
        let node =
            Node::start(Settings { persisters: 1, ..redis_lua(stack) }).await.expect("the node starts");
        create_coupon(node.address, &coupon, 2 * TOTAL).await;
        for (point, times) in points {
            panics::arm(point, *times);
        }
        let racing = races::spawn(races::config(node.address, &coupon, u64::from(TOTAL), 8));
        until_failed(node.address, name).await;
        let report = racing.await.expect("the race does not panic");
        assert_promise_kept(&report, 2 * TOTAL);
        assert_eq!(
            races::count_holders(&report.issued_answers),
            TOTAL as usize,
            "members are served meanwhile"
        );
        restart_failed(node.address, name).await;
        let url = secrecy::ExposeSecret::expose_secret(&url).to_owned();
        assert_rows(&until_persisted(&url, &coupon, TOTAL).await, &report.issued_answers, TOTAL);
        until("the node is ready", async || (readiness(node.address).await.0 == 200).then_some(())).await;
        node.stop().await;
    });
}

#[test]
fn a_gate_keeper_that_stays_down_can_be_restarted() {
    fails_and_returns("gate-keeper", &[("gate-keeper.round", TOO_MANY)]);
}

#[test]
fn a_sweep_that_stays_down_can_be_restarted() {
    fails_and_returns("outbox", &[("outbox.round", TOO_MANY)]);
}

#[test]
fn a_publisher_that_stays_down_can_be_restarted_and_publishes_everything() {
    fails_and_returns("publisher", &[("publisher.handler", 1), ("publisher.started", TOO_MANY - 1)]);
}

#[test]
fn a_persister_that_stays_down_can_be_restarted_and_writes_everything() {
    fails_and_returns("persister/1", &[("persister.delivery", TOO_MANY)]);
}
