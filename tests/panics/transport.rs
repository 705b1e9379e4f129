//! The actors between the engine and the database.

use openrun::bootstrap::{Node, Settings};
use openrun::domain::AckLevel;
use redis::AsyncTypedCommands;

use crate::stage::{TOTAL, assert_counted, full_stack, in_system, race_with_panics, redis_lua};
use crate::support::races::{assert_rows, until, until_persisted};
use crate::support::shared::{connect_redis, redis_url};

/// One race on the full stack with these panics; every answer must reach PostgreSQL, and the outbox must be empty.
fn survives(points: &[(&str, u32)], kind: &str, restarts: u32) {
    survives_at(AckLevel::Granted, points, kind, restarts);
}

/// The same, with `ack` as the node's ack level.
fn survives_at(ack: AckLevel, points: &[(&str, u32)], kind: &str, restarts: u32) {
    in_system(async {
        let (database, stack, coupon) = full_stack().await;
        let node = Node::start(Settings { ack, ..redis_lua(stack) }).await.expect("the node starts");
        let report = race_with_panics(&node, &coupon, points).await;
        let panics = if restarts == 0 { 0 } else { points.iter().map(|(_, times)| times).sum() };
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
fn a_publisher_that_panics_at_an_offer_is_restarted() {
    survives(&[("publisher.handler", 3)], "publisher", 3);
}

#[test]
fn a_publisher_that_panics_when_it_starts_is_started_again() {
    survives(&[("publisher.started", 2), ("publisher.handler", 2)], "publisher", 4);
}

#[test]
fn a_publish_batch_that_panics_is_sent_again_without_a_restart() {
    survives(&[("publisher.batch", 3)], "publisher", 0);
}

#[test]
fn a_publisher_that_panics_in_its_timer_is_restarted() {
    // The timer runs after a publish batch has failed.
    survives(&[("publisher.timer", 1), ("publisher.batch", 1)], "publisher", 1);
}

#[test]
fn a_sweep_that_panics_is_restarted_and_trims_the_outbox_in_the_end() {
    survives(&[("outbox.round", 3)], "outbox", 3);
}

#[test]
fn a_persister_that_panics_at_a_delivery_returns_it() {
    survives(&[("persister.delivery", 4)], "persister", 4);
}

#[test]
fn a_persister_that_panics_before_it_writes_returns_the_batch() {
    survives(&[("persister.write", 4)], "persister", 4);
}

#[test]
fn the_poller_goes_on_after_a_panic() {
    survives_at(AckLevel::Persisted, &[("acks.round", 3)], "acks", 0);
}
