//! A broker that dies or freezes: an answer within the bound, nothing lost that was confirmed, and work again by itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openrun::ports::{BusError, EventBus, EventStream};

use crate::fixtures::{Stage, next, nothing, publishes_again, window};
use crate::support::services::PrivateRabbitMq;

/// Connect and reply timeout of the stage, and room for a slow machine.
const BOUND: Duration = Duration::from_secs(8);

/// A broker whose queues are not brand new. RabbitMQ 3.10 writes the register of its quorum queues down only every three
/// minutes and when it stops: a queue that is younger when the broker is killed comes back empty and without a leader.
async fn settled() -> (PrivateRabbitMq, Stage) {
    let mut broker = PrivateRabbitMq::start().await;
    let stage = Stage::on(&broker.url());
    stage.ready_bus().await.close().await;
    broker.stop().await;
    broker.restart().await;
    (broker, stage)
}

#[tokio::test]
async fn private_what_was_confirmed_survives_kill_9() {
    let (mut broker, stage) = settled().await;
    let bus = stage.ready_bus().await;
    bus.publish(&window(1..=500)).await.unwrap();
    broker.kill();
    broker.restart().await;
    let mut stream = stage.stream(1_000).await;
    let mut found = BTreeSet::new();
    for _ in 1..=500 {
        found.insert(next(&mut stream).await.event.unwrap().issuance.sequence);
    }
    assert_eq!(found, (1..=500).collect());
    nothing(&mut stream).await;
}

#[tokio::test]
async fn private_killed_in_the_middle_of_windows() {
    let (mut broker, stage) = settled().await;
    let bus = Arc::new(stage.ready_bus().await);
    let mut stream = stage.stream(10).await;
    let publisher = Arc::clone(&bus);
    let publishing = tokio::spawn(async move {
        let mut confirmed = 0;
        loop {
            let begun = Instant::now();
            if let Err(error) = publisher.publish(&window(confirmed * 512 + 1..=confirmed * 512 + 512)).await
            {
                return (confirmed, error, begun.elapsed());
            }
            confirmed += 1;
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    broker.kill();
    let (confirmed, error, took) = publishing.await.unwrap();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    assert!(confirmed > 0 && took < BOUND, "{confirmed} windows, {took:?}");
    // The stream has learned of it as well, once what it had received before is read.
    let ended = async { while stream.next().await.is_ok() {} };
    tokio::time::timeout(BOUND, ended).await.expect("the stream ends");
    assert!(matches!(bus.publish(&window([1])).await, Err(BusError::Unavailable(_))));

    broker.restart().await;
    publishes_again(&bus, &window(confirmed * 512 + 1..=confirmed * 512 + 512)).await;
    let mut stream = stage.stream(1_000).await;
    let mut found = BTreeSet::new();
    while found.len() < (confirmed as usize + 1) * 512 {
        let delivery = next(&mut stream).await;
        found.insert(delivery.event.unwrap().issuance.sequence);
        stream.ack(&[delivery.tag]).await.unwrap();
    }
    assert_eq!(found, (1..=(confirmed + 1) * 512).collect());
}

#[tokio::test]
async fn private_frozen_and_thawed() {
    let broker = PrivateRabbitMq::start().await;
    let stage = Stage::on(&broker.url());
    let bus = stage.ready_bus().await;
    bus.publish(&window([1])).await.unwrap();
    broker.pause();
    for _ in 0..4 {
        let begun = Instant::now();
        let frozen = bus.publish(&window([2])).await;
        assert!(matches!(frozen, Err(BusError::Unavailable(_))), "{frozen:?}");
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    }
    broker.resume();
    publishes_again(&bus, &window([2])).await;
}
