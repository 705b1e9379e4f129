//! The actors between the engine and the database.

use openrun::bootstrap::{Node, Settings};
use openrun::domain::AckLevel;
use redis::AsyncTypedCommands;

use crate::stage::{TOTAL, assert_counted, full_stack, in_system, race_with_panics, redis_lua};
use crate::support::races::{assert_rows, until, until_persisted};
use crate::support::shared::{connect_redis, redis_url};

/// One race on the full stack with these panics; every answer must reach PostgreSQL, and the outbox must be empty.
fn survives(places: &[(&str, u32)], kind: &str, restarts: u32) {
    survives_at(AckLevel::Granted, places, kind, restarts);
}

/// The same, where members are told only of what has got as far as `ack`.
fn survives_at(ack: AckLevel, places: &[(&str, u32)], kind: &str, restarts: u32) {
    in_system(async {
        let (database, stack, coupon) = full_stack().await;
        let node = Node::start(Settings { ack, ..redis_lua(stack) }).await.expect("the node starts");
        let report = race_with_panics(&node, &coupon, places).await;
        let panics = if restarts == 0 { 0 } else { places.iter().map(|(_, times)| times).sum() };
        assert_counted(&node, kind, restarts, panics).await;
        assert_rows(&until_persisted(database.url(), &coupon, TOTAL).await, &report.issued_answers, TOTAL);
        until_trimmed(&coupon).await;
        node.stop().await;
    });
}

async fn until_trimmed(coupon: &str) {
    let mut redis = connect_redis(&redis_url()).await;
    until("an empty outbox", async || {
        let depth = redis.xlen(format!("coupon:{{{coupon}}}:outbox")).await.expect("it is a stream");
        (depth == 0).then_some(())
    })
    .await;
}

#[test]
fn a_publisher_that_panics_at_an_offer_is_replaced() {
    survives(&[("publisher.handler", 3)], "publisher", 3);
}

#[test]
fn a_publisher_that_panics_when_it_starts_is_started_again() {
    survives(&[("publisher.started", 2), ("publisher.handler", 2)], "publisher", 4);
}

#[test]
fn a_window_that_panics_is_sent_again_and_needs_no_new_publisher() {
    survives(&[("publisher.window", 3)], "publisher", 0);
}

#[test]
fn a_publisher_that_panics_in_its_timer_is_replaced() {
    // The timer runs after a window that failed.
    survives(&[("publisher.timer", 1), ("publisher.window", 1)], "publisher", 1);
}

#[test]
fn a_sweep_that_panics_is_replaced_and_trims_the_outbox_in_the_end() {
    survives(&[("outbox.round", 3)], "outbox", 3);
}

#[test]
fn a_persister_that_panics_at_a_delivery_gives_it_back() {
    survives(&[("persister.delivery", 4)], "persister", 4);
}

#[test]
fn a_persister_that_panics_before_it_writes_gives_the_batch_back() {
    survives(&[("persister.write", 4)], "persister", 4);
}

#[test]
fn a_question_for_what_has_arrived_that_panics_is_asked_again() {
    survives_at(AckLevel::Persisted, &[("acks.round", 3)], "acks", 0);
}
