//! The actors between a member and the engine.

use openrun::bootstrap::Node;

use crate::stage::{TOTAL, assert_counted, embedded, in_system, race_with_panics};
use crate::support::races::{assert_rows, sqlite_rows};

/// How often each place panics in one race: each time the next life has to wait longer.
const TIMES: u32 = 3;

/// One race on the embedded engine with these panics; every answer must be in the file afterwards.
fn survives(places: &[(&str, u32)], kind: &str, restarts: u32) {
    let panics = places.iter().map(|(_, times)| times).sum();
    survives_counted(places, kind, restarts, panics);
}

fn survives_counted(places: &[(&str, u32)], kind: &str, restarts: u32, panics: u32) {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    in_system(async {
        let node = Node::start(embedded(folder.path())).await.expect("the node starts");
        let report = race_with_panics(&node, "drop", places).await;
        assert_counted(&node, kind, restarts, panics).await;
        node.stop().await;
        assert_rows(&sqlite_rows(folder.path(), "drop").await, &report.issued_answers, TOTAL);
    });
}

#[test]
fn a_coupon_event_that_panics_at_a_request_is_replaced() {
    survives(&[("coupon-event.handler", TIMES)], "coupon-event", TIMES);
}

#[test]
fn a_coupon_event_that_panics_in_its_timer_is_replaced() {
    survives(&[("coupon-event.timer", TIMES)], "coupon-event", TIMES);
}

#[test]
fn a_coupon_event_that_panics_when_it_starts_is_started_again() {
    survives(&[("coupon-event.started", TIMES), ("coupon-event.handler", 1)], "coupon-event", TIMES + 1);
}

#[test]
fn a_batch_that_panics_is_asked_again_and_needs_no_new_actor() {
    survives(&[("coupon-event.batch", TIMES)], "coupon-event", 0);
}

#[test]
fn a_panic_while_a_panic_is_noted_gets_past_the_containment_and_is_noticed_all_the_same() {
    // The second panic swallows the first, so that the supervisor hears of one.
    survives_counted(&[("coupon-event.failed", 2), ("coupon-event.handler", 2)], "coupon-event", 2, 2);
}

#[test]
fn a_gate_keeper_that_panics_is_replaced_and_closes_the_gate_in_the_end() {
    survives(&[("gate-keeper.round", TIMES)], "gate-keeper", TIMES);
}
