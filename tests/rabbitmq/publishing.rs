//! `publish` succeeds only for a batch that the broker has confirmed.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use openrun::messaging::rabbitmq::{BATCH_CONTENT_TYPE, CONTENT_TYPE, encode};
use openrun::ports::{BusError, EventBus, EventStream};

use crate::fixtures::{Hand, Stage, TRACE, event, events, next, nothing, publishes_again};

#[tokio::test]
async fn a_message_has_the_properties_of_the_contract() {
    let stage = Stage::shared();
    stage.bus().publish(&events([1])).await.unwrap();
    let message = stage.hand().await.take(&stage.names.issuances()).await.unwrap();
    let properties = &message.properties;
    assert_eq!(message.data, encode(&event(1)));
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), CONTENT_TYPE);
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), event(1).issuance.code.as_str());
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
    let headers = properties.headers().as_ref().unwrap();
    let trace = headers.inner().get("traceparent").and_then(|value| value.as_long_string());
    assert_eq!(trace.unwrap().as_bytes(), TRACE.as_bytes());
}

#[tokio::test]
async fn several_events_are_a_batch_named_by_the_first() {
    let stage = Stage::shared();
    let events = events(1..=3);
    stage.bus().publish(&events).await.unwrap();
    let message = stage.hand().await.take(&stage.names.issuances()).await.unwrap();
    let alone: Vec<Vec<u8>> = events.iter().map(encode).collect();
    assert_eq!(message.data, [b"[", &*alone.join(&b','), b"]"].concat());
    let properties = &message.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), BATCH_CONTENT_TYPE);
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), event(1).issuance.code.as_str());
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
}

#[tokio::test]
async fn batches_keep_their_order_in_few_messages_which_the_backlog_counts() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    assert_eq!(bus.backlog().await.unwrap(), 0);
    bus.publish(&[]).await.unwrap();
    bus.publish(&events(1..=300)).await.unwrap();
    bus.publish(&events(301..=303)).await.unwrap();
    bus.publish(&events(304..=304)).await.unwrap();
    let hand = stage.hand().await;
    hand.until_ready(&stage.names.issuances(), 5).await;
    assert_eq!(bus.backlog().await.unwrap(), 5);
    let mut stream = stage.stream(3).await;
    for sequence in 1..=304 {
        let delivery = next(&mut stream).await;
        assert_eq!(delivery.event, Ok(event(sequence)));
        stream.ack(&[delivery.tag]).await.unwrap();
    }
    nothing(&mut stream).await;
    drop(stream);
    hand.until_ready(&stage.names.issuances(), 0).await;
}

async fn unbind(hand: &Hand, queue: &str, exchange: &str, key: &str) {
    let unbound = hand.channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default());
    unbound.await.expect("it was bound");
}

#[tokio::test]
async fn an_unbound_queue_is_reached_by_the_alternate_exchange() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    unbind(&hand, &name, &name, "coupon.issued").await;
    bus.publish(&events(1..=20)).await.unwrap();
    hand.until_ready(&name, 1).await;
    // So is a foreign message, published without `mandatory` and with an unbound key.
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = hand.channel.basic_publish(
        name.as_str().into(),
        "a.foreign.key".into(),
        options,
        b"anything",
        properties,
    );
    sent.await.unwrap().await.unwrap();
    hand.until_ready(&name, 2).await;
}

#[tokio::test]
async fn an_unroutable_batch_fails_and_the_binding_is_repaired() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    unbind(&hand, &name, &name, "coupon.issued").await;
    unbind(&hand, &name, &stage.names.unrouted(), "").await;
    let returned = bus.publish(&events(1..=300)).await;
    assert!(matches!(returned, Err(BusError::Returned(3))), "{returned:?}");
    // The next connection declares the binding again.
    publishes_again(&bus, &events(1..=300)).await;
    hand.until_ready(&name, 3).await;
}

/// The client attaches a returned message to the next confirm; concurrent batches must not get each other's returns.
#[tokio::test]
async fn concurrent_batches_get_their_own_returns() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    hand.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let batches: Vec<_> = (0..8).map(|n| events(n * 400 + 1..=n * 400 + 400)).collect();
    let published = futures_util::future::join_all(batches.iter().map(|batch| bus.publish(batch))).await;
    assert!(published.iter().all(Result::is_err), "{published:?}");
    // The first failure cuts the connection, perhaps before the other batches have got their returns.
    assert!(published.iter().any(|done| matches!(done, Err(BusError::Returned(4)))), "{published:?}");
}

#[tokio::test]
async fn a_closed_bus_publishes_no_more() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    bus.publish(&events([1])).await.unwrap();
    bus.close().await;
    let refused = bus.publish(&events([2])).await.unwrap_err();
    assert!(refused.to_string().contains("closed"), "{refused}");
    bus.close().await;
}

#[tokio::test]
async fn a_cancelled_publish_disturbs_no_other() {
    let stage = Stage::shared();
    let bus = stage.ready_bus().await;
    let many = events(1..=200);
    for _ in 0..10 {
        let waited = tokio::time::timeout(std::time::Duration::from_micros(700), bus.publish(&many)).await;
        assert!(waited.is_err() || waited.is_ok_and(|done| done.is_ok()));
        bus.publish(&events([1])).await.unwrap();
    }
}
