//! A rejected message is dead-lettered without the others.

use openrun::ports::{EventBus, EventStream};

use crate::fixtures::{Stage, event, events, next, nothing, publish_each};

#[tokio::test]
async fn an_unreadable_message_becomes_a_reason_and_is_dead_lettered_alone() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let hand = stage.hand().await;
    bus.publish(&events([1])).await.unwrap();
    hand.publish(&stage.names.issuances(), b"\xff not an event").await;
    bus.publish(&events([2])).await.unwrap();

    let mut stream = stage.stream(10).await;
    let (first, poison, second) = (next(&mut stream).await, next(&mut stream).await, next(&mut stream).await);
    let reason = poison.event.unwrap_err();
    assert!(reason.contains("no CloudEvent"), "{reason}");
    stream.reject(poison.tag, &reason).await.unwrap();
    stream.ack(&[first.tag, second.tag]).await.unwrap();
    nothing(&mut stream).await;
    drop(stream);

    hand.until_ready(&stage.names.dead_letters(), 1).await;
    let dead = hand.take(&stage.names.dead_letters()).await.unwrap();
    assert_eq!(dead.data, b"\xff not an event");
    let headers = dead.properties.headers().as_ref().unwrap();
    let history = headers.inner().get("openrun-history").and_then(|value| value.as_long_string());
    assert!(String::from_utf8_lossy(history.unwrap().as_bytes()).contains("no CloudEvent"), "{headers:?}");
    hand.until_ready(&stage.names.issuances(), 0).await;
}

#[tokio::test]
async fn rejecting_one_delivery_leaves_the_others_in_flight() {
    let stage = Stage::shared();
    publish_each(&stage.bus(), 1..=5).await;
    let mut stream = stage.stream(5).await;
    let mut tags = Vec::new();
    for _ in 1..=5 {
        tags.push(next(&mut stream).await.tag);
    }
    stream.reject(tags[2], "for the test").await.unwrap();
    let hand = stage.hand().await;
    hand.until_ready(&stage.names.dead_letters(), 1).await;
    // Acknowledged in one frame, across the gap of the rejected one.
    stream.ack(&[tags[0], tags[1], tags[3], tags[4]]).await.unwrap();
    nothing(&mut stream).await;
    drop(stream);
    hand.until_ready(&stage.names.issuances(), 0).await;
    let dead = hand.take(&stage.names.dead_letters()).await.unwrap();
    assert_eq!(dead.data, openrun::messaging::rabbitmq::encode(&event(3)));
}
