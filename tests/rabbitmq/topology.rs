//! The declared topology, and the refusal of a differing one.

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
    let expected = arguments(&stage);
    // The broker accepts the declaration of an existing queue only with equal arguments.
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let hand = stage.hand().await;
    hand.channel.queue_declare(stage.names.issuances().into(), options, expected).await.unwrap();
}

/// The arguments of openrun's queue of issuances.
fn arguments(stage: &Stage) -> FieldTable {
    let mut arguments = FieldTable::default();
    for (key, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", &*stage.names.dead_letters()),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(50));
    arguments
}

fn without(arguments: &FieldTable, key: &str) -> FieldTable {
    let mut left = FieldTable::default();
    for (name, value) in arguments.inner().iter().filter(|(name, _)| name.as_str() != key) {
        left.insert(name.clone(), value.clone());
    }
    left
}

/// Declares the queue with other arguments, and returns the error of openrun's declaration.
async fn refusal(stage: &Stage, queue: &str, arguments: FieldTable) -> String {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let hand = stage.hand().await;
    let declared = hand.channel.queue_declare(queue.into(), options, arguments).await;
    declared.expect("the name is new");
    let error = stage.bus().connect().await.expect_err("the arguments differ");
    assert!(matches!(error, BrokerError::Differs { .. }), "{error}");
    let message = error.to_string();
    let begins =
        format!("the queue {queue} exists on the broker and differs from what openrun declares (its ");
    assert!(message.starts_with(&begins), "{message}");
    assert!(
        message.contains("delete it") && message.contains("OPENRUN_AMQP_NAMESPACE"),
        "the remedy: {message}"
    );
    message
}

#[tokio::test]
async fn a_differing_queue_is_named_with_the_difference() {
    let text = |value: &str| AMQPValue::LongString(value.into());
    let cases: [(&str, Option<AMQPValue>, &str); 4] = [
        ("x-delivery-limit", Some(AMQPValue::LongLongInt(20)), "is 20, and should be 50"),
        ("x-delivery-limit", None, "is none, and should be 50"),
        ("x-dead-letter-exchange", None, "is none, and should be "),
        (
            "x-dead-letter-strategy",
            Some(text("at-most-once")),
            "is at-most-once, and should be at-least-once",
        ),
    ];
    for (key, value, difference) in cases {
        let stage = Stage::shared();
        let mut declared = without(&arguments(&stage), key);
        if let Some(value) = value {
            declared.insert(key.into(), value);
        }
        let message = refusal(&stage, &stage.names.issuances(), declared).await;
        assert!(message.contains(&format!("its {key} {difference}")), "{message}");
    }
}

#[tokio::test]
async fn a_classic_queue_is_named() {
    let stage = Stage::shared();
    refusal(&stage, &stage.names.issuances(), FieldTable::default()).await;
    let stage = Stage::shared();
    let mut classic = arguments(&stage);
    for key in ["x-queue-type", "x-dead-letter-strategy", "x-delivery-limit"] {
        classic = without(&classic, key);
    }
    let message = refusal(&stage, &stage.names.issuances(), classic).await;
    assert!(message.contains("its x-"), "{message}");
    let stage = Stage::shared();
    let message = refusal(&stage, &stage.names.dead_letters(), FieldTable::default()).await;
    assert!(message.contains("its x-queue-type is "), "{message}");
}

#[tokio::test]
async fn a_letter_queue_with_a_delivery_limit_is_named() {
    let stage = Stage::shared();
    let mut limited = FieldTable::default();
    limited.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    limited.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
    let message = refusal(&stage, &stage.names.dead_letters(), limited).await;
    assert!(message.contains("its x-delivery-limit is 20"), "{message}");
}

#[tokio::test]
async fn an_exchange_without_its_alternate_exchange_is_named() {
    let stage = Stage::shared();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    let (kind, none) = (ExchangeKind::Direct, FieldTable::default());
    hand.channel.exchange_declare(name.as_str().into(), kind, options, none).await.unwrap();
    let message = stage.bus().connect().await.unwrap_err().to_string();
    let expected = format!(
        "the exchange {name} exists on the broker and differs from what openrun declares (its alternate-exchange is none"
    );
    assert!(message.starts_with(&expected), "{message}");
}

#[tokio::test]
async fn a_differing_exchange_is_named() {
    let stage = Stage::shared();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (hand, name) = (stage.hand().await, stage.names.issuances());
    let kind = ExchangeKind::Topic;
    hand.channel.exchange_declare(name.as_str().into(), kind, options, FieldTable::default()).await.unwrap();
    let error = stage.bus().connect().await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("the exchange {name} exists on the broker")), "{error}");
}
