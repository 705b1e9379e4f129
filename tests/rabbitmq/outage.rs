//! A broker that dies or freezes: errors within the bound, no confirmed message lost, and recovery without help.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openrun::ports::{BusError, EventBus, EventStream};

use crate::fixtures::{Stage, events, next, nothing, publishes_again};
use crate::support::services::PrivateRabbitMq;

/// Connect and reply timeout of the stage, and room for a slow machine.
const BOUND: Duration = Duration::from_secs(8);

/// A broker whose queues survive a kill. RabbitMQ 3.10 writes the register of its quorum queues only every three
/// minutes and when it stops: a younger queue comes back from a kill empty and without a leader.
async fn durable() -> (PrivateRabbitMq, Stage) {
    let mut broker = PrivateRabbitMq::start().await;
    let stage = Stage::on(&broker.url());
    stage.ready_bus().await.close().await;
    broker.stop().await;
    broker.restart().await;
    (broker, stage)
}

#[tokio::test]
async fn private_confirmed_messages_survive_kill_9() {
    let (mut broker, stage) = durable().await;
    let bus = stage.ready_bus().await;
    bus.publish(&events(1..=500)).await.unwrap();
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
async fn private_killed_while_publishing() {
    let (mut broker, stage) = durable().await;
    let bus = Arc::new(stage.ready_bus().await);
    let mut stream = stage.stream(10).await;
    let publisher = Arc::clone(&bus);
    let publishing = tokio::spawn(async move {
        let mut confirmed = 0;
        loop {
            let started = Instant::now();
            if let Err(error) = publisher.publish(&events(confirmed * 512 + 1..=confirmed * 512 + 512)).await
            {
                return (confirmed, error, started.elapsed());
            }
            confirmed += 1;
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    broker.kill();
    let (confirmed, error, took) = publishing.await.unwrap();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    assert!(confirmed > 0 && took < BOUND, "{confirmed} batches, {took:?}");
    // The stream fails as well, after the deliveries that it has buffered.
    let ended = async { while stream.next().await.is_ok() {} };
    tokio::time::timeout(BOUND, ended).await.expect("the stream ends");
    assert!(matches!(bus.publish(&events([1])).await, Err(BusError::Unavailable(_))));

    broker.restart().await;
    publishes_again(&bus, &events(confirmed * 512 + 1..=confirmed * 512 + 512)).await;
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
    bus.publish(&events([1])).await.unwrap();
    broker.pause();
    for _ in 0..4 {
        let started = Instant::now();
        let frozen = bus.publish(&events([2])).await;
        assert!(matches!(frozen, Err(BusError::Unavailable(_))), "{frozen:?}");
        assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    }
    broker.resume();
    publishes_again(&bus, &events([2])).await;
}
