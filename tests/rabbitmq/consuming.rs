//! Deliveries arrive in order, at most the prefetch, and are redelivered unless they are acknowledged.

use std::time::Duration;

use lapin::options::QueueDeleteOptions;
use openrun::ports::{DeliveryTag, EventBus, EventStream};

use crate::fixtures::{Stage, event, events, next, nothing, publish_each};

#[tokio::test]
async fn events_come_as_they_were_published() {
    let stage = Stage::shared();
    stage.bus().publish(&events(1..=50)).await.unwrap();
    let mut stream = stage.stream(100).await;
    for sequence in 1..=50 {
        assert_eq!(next(&mut stream).await.event, Ok(event(sequence)));
    }
}

#[tokio::test]
async fn no_more_messages_are_in_flight_than_the_prefetch() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    publish_each(&bus, 1..=10).await;
    let mut stream = stage.stream(3).await;
    let held = [next(&mut stream).await.tag, next(&mut stream).await.tag, next(&mut stream).await.tag];
    nothing(&mut stream).await;
    assert_eq!(bus.backlog().await.unwrap(), 7);
    stream.ack(&held[1..2]).await.unwrap();
    assert_eq!(next(&mut stream).await.event, Ok(event(4)));
    nothing(&mut stream).await;
}

#[tokio::test]
async fn only_acknowledged_deliveries_are_gone_when_the_stream_is_dropped() {
    let stage = Stage::shared();
    publish_each(&stage.bus(), 1..=10).await;
    let mut stream = stage.stream(10).await;
    let mut tags = Vec::new();
    for _ in 1..=8 {
        tags.push(next(&mut stream).await.tag);
    }
    // 1 to 3 in one frame, 6 in another; two are buffered in the client.
    let acknowledged: Vec<DeliveryTag> = [5, 1, 0, 2].map(|index| tags[index]).into();
    stream.ack(&acknowledged).await.unwrap();
    // Acknowledging or rejecting them again has no effect.
    stream.ack(&acknowledged).await.unwrap();
    stream.reject(tags[0], "acknowledged already").await.unwrap();
    drop(stream);
    let mut stream = stage.stream(10).await;
    let mut back = Vec::new();
    for _ in 0..6 {
        back.push(next(&mut stream).await.event.unwrap().issuance.sequence);
    }
    back.sort_unstable();
    assert_eq!(back, [4, 5, 7, 8, 9, 10]);
    nothing(&mut stream).await;
}

#[tokio::test]
async fn a_cancelled_call_loses_nothing() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let mut stream = stage.stream(100).await;
    let mut found = Vec::new();
    for sequence in 1..=20 {
        let hurried = tokio::time::timeout(Duration::from_micros(400), stream.next());
        let published = events([sequence]);
        let (published, delivered) = tokio::join!(bus.publish(&published), hurried);
        published.unwrap();
        found.extend(delivered.ok().map(Result::unwrap));
    }
    while found.len() < 20 {
        found.push(next(&mut stream).await);
    }
    let sequences: Vec<u32> =
        found.into_iter().map(|delivery| delivery.event.unwrap().issuance.sequence).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_whose_queue_is_deleted_ends_with_an_error() {
    let stage = Stage::shared();
    let mut stream = stage.stream(10).await;
    let hand = stage.hand().await;
    hand.channel.queue_delete(stage.names.issuances().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = stream.next().await.unwrap_err();
    assert!(error.to_string().contains("cancelled the consumer"), "{error}");
    // Opening another stream declares the queue again.
    stage.bus().publish(&events([1])).await.unwrap();
    assert_eq!(next(&mut stage.stream(10).await).await.event, Ok(event(1)));
}
