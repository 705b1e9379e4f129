//! The four main alerts on a running stack: each test causes the fault, waits for the alert, repairs the fault as the
//! run-book says, and waits until the alert clears.

use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::Value;

use crate::prometheus::Prometheus;
use crate::support::node::{NodeProcess, Stack, openrun};
use crate::support::process::run;
use crate::support::races::{ask, create_coupon, http, metric, until};
use crate::support::services::PrivateRedis;
use crate::support::shared::coupon_id;

/// More than the test can issue.
const TOTAL: u32 = 1_000_000;
/// Pause between two members, so that each issuance becomes its own message.
const PAUSE: Duration = Duration::from_millis(40);
/// Queue depth above the threshold of the alert.
const DEEP: f64 = 110.0;

/// Without a persister the queue grows and the outbox becomes old. Then a persister starts.
#[tokio::test(flavor = "multi_thread")]
async fn private_queue_and_outbox_alerts_fire_until_a_persister_starts() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "api,publisher").start().await;
    let prometheus = Prometheus::watching(&[node.address()]).await;
    let coupon = coupon_id();
    create_coupon(node.address(), &coupon, TOTAL).await;
    prometheus.until_it_fires("OpenrunNothingCarries").await;
    for alert in ["OpenrunQueueDeep", "OpenrunOutboxOld"] {
        assert!(
            !prometheus.firing().await.contains(&alert.to_owned()),
            "{alert} fires before there is a reason"
        );
    }
    let mut member = 0;
    until("a deep queue", async || {
        member += 1;
        assert_eq!(ask(node.address(), &coupon, &format!("m{member}")).await.0, 201);
        tokio::time::sleep(PAUSE).await;
        (metric(node.address(), "openrun_queue_messages", "").await > DEEP).then_some(())
    })
    .await;
    prometheus.until_it_fires("OpenrunQueueDeep").await;
    prometheus.until_it_fires("OpenrunOutboxOld").await;

    let _persister = NodeProcess::redis_lua(&stack).set("OPENRUN_ROLES", "persister").start().await;
    prometheus.until_it_is_clear("OpenrunQueueDeep").await;
    prometheus.until_it_is_clear("OpenrunOutboxOld").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_a_dead_letter_raises_an_alert_until_it_is_discarded() {
    let stack = Stack::shared().await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    let prometheus = Prometheus::watching(&[node.address()]).await;
    assert!(!prometheus.firing().await.contains(&"OpenrunDeadLetters".to_owned()));
    publish(&stack, b"not even JSON").await;
    prometheus.until_it_fires("OpenrunDeadLetters").await;

    let letters = http().get(node.url("/v1/admin/dead-letters")).send().await.expect("the node answers");
    let letters: Value = letters.json().await.expect("a list");
    let id = letters[0]["id"].as_str().expect("an id");
    let discard = ["dead-letters", "discard", id, "--reason", "not ours"];
    run(openrun(&discard).env("OPENRUN_SERVER", node.url("")));
    prometheus.until_it_is_clear("OpenrunDeadLetters").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_an_absent_redis_raises_an_alert_until_it_is_back() {
    let mut redis = PrivateRedis::start().await;
    let stack = Stack::with_redis(&redis.url()).await;
    let node = NodeProcess::redis_lua(&stack).start().await;
    create_coupon(node.address(), "drop", TOTAL).await;
    let prometheus = Prometheus::watching(&[node.address()]).await;
    assert!(!prometheus.firing().await.contains(&"OpenrunRedisDown".to_owned()));
    redis.stop().await;
    prometheus.until_it_fires("OpenrunRedisDown").await;
    redis.restart().await;
    prometheus.until_it_is_clear("OpenrunRedisDown").await;

    // A hanging Redis raises the alert as well.
    redis.pause();
    prometheus.until_it_fires("OpenrunRedisDown").await;
    redis.resume();
    prometheus.until_it_is_clear("OpenrunRedisDown").await;
    prometheus.until_it_is_clear("OpenrunRedisFenced").await;
    until("members are served again", async || {
        (ask(node.address(), "drop", "kim").await.0 < 300).then_some(())
    })
    .await;
}

async fn publish(stack: &Stack, payload: &[u8]) {
    let connection = Connection::connect(&stack.amqp_url, ConnectionProperties::default()).await;
    let connection = connection.expect("RabbitMQ accepts connections");
    let channel = connection.create_channel().await.expect("the connection is open");
    let exchange = format!("{}.issuances", stack.amqp_namespace);
    let (options, properties) =
        (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
    let sent = channel.basic_publish(exchange.into(), "coupon.issued".into(), options, payload, properties);
    sent.await.expect("the channel is open").await.expect("the message is sent");
    connection.close(200, "done".into()).await.ok();
}
