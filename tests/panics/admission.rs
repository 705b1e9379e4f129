//! The actors between a member and the engine.

use openrun::bootstrap::Node;

use crate::stage::{TOTAL, assert_counted, embedded, in_system, race_with_panics};
use crate::support::races::{assert_rows, sqlite_rows};

/// Panics of each point in one race: the backoff grows with each of them.
const TIMES: u32 = 3;

/// One race on the embedded engine with these panics; afterwards every answer must be in the SQLite file.
fn survives(points: &[(&str, u32)], kind: &str, restarts: u32) {
    let panics = points.iter().map(|(_, times)| times).sum();
    survives_counted(points, kind, restarts, panics);
}

fn survives_counted(points: &[(&str, u32)], kind: &str, restarts: u32, panics: u32) {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    in_system(async {
        let node = Node::start(embedded(folder.path())).await.expect("the node starts");
        let report = race_with_panics(&node, "drop", points).await;
        assert_counted(&node, kind, restarts, panics).await;
        node.stop().await;
        assert_rows(&sqlite_rows(folder.path(), "drop").await, &report.issued_answers, TOTAL);
    });
}

#[test]
fn a_coupon_event_that_panics_at_a_request_is_restarted() {
    survives(&[("coupon-event.handler", TIMES)], "coupon-event", TIMES);
}

#[test]
fn a_coupon_event_that_panics_in_its_timer_is_restarted() {
    survives(&[("coupon-event.timer", TIMES)], "coupon-event", TIMES);
}

#[test]
fn a_coupon_event_that_panics_when_it_starts_is_started_again() {
    survives(&[("coupon-event.started", TIMES), ("coupon-event.handler", 1)], "coupon-event", TIMES + 1);
}

#[test]
fn requests_of_a_batch_that_panics_are_sent_again_without_a_restart() {
    survives(&[("coupon-event.batch", TIMES)], "coupon-event", 0);
}

#[test]
fn a_panic_while_a_panic_is_recorded_escapes_the_boundary_and_is_noticed() {
    // The second panic replaces the first, so that the supervisor learns of one.
    survives_counted(&[("coupon-event.failed", 2), ("coupon-event.handler", 2)], "coupon-event", 2, 2);
}

#[test]
fn a_gate_keeper_that_panics_is_restarted_and_closes_the_gate_in_the_end() {
    survives(&[("gate-keeper.round", TIMES)], "gate-keeper", TIMES);
}
