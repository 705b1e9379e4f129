//! The topology is declared by code, and what differs from it is not worked around.

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use openrun::messaging::rabbitmq::BrokerError;

use crate::fixtures::Stage;

#[tokio::test]
async fn declaring_again_changes_nothing() {
    let stage = Stage::shared();
    for _ in 0..3 {
        stage.ready_bus().await;
    }
}

#[tokio::test]
async fn queues_are_replicated_and_dead_letters_arrive_before_they_leave() {
    let stage = Stage::shared();
    stage.ready_bus().await;
    let mut expected = FieldTable::default();
    for (key, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", &*stage.names.dead_letters()),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        expected.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    expected.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(50));
    // The broker takes a declaration of what exists only if it is the same.
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let hand = stage.hand().await;
    hand.channel.queue_declare(stage.names.issuances().into(), options, expected).await.unwrap();
}

#[tokio::test]
async fn a_queue_that_differs_is_named() {
    let stage = Stage::shared();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let hand = stage.hand().await;
    hand.channel.queue_declare(stage.names.issuances().into(), options, FieldTable::default()).await.unwrap();
    let error = stage.bus().connect().await.unwrap_err();
    let expected = format!("the queue {} exists on the broker and differs", stage.names.issuances());
    assert!(
        matches!(error, BrokerError::Differs { .. }) && error.to_string().starts_with(&expected),
        "{error}"
    );
}

#[tokio::test]
async fn an_exchange_that_differs_is_named() {
    let stage = Stage::shared();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    let kind = ExchangeKind::Topic;
    hand.channel.exchange_declare(name.as_str().into(), kind, options, FieldTable::default()).await.unwrap();
    let error = stage.bus().connect().await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("the exchange {name} exists on the broker")), "{error}");
}
