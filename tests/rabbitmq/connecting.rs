//! The error sentences of failed connections, and the backoff between attempts.

use std::time::{Duration, Instant};

use openrun::messaging::rabbitmq::BrokerError;
use openrun::ports::{BusError, EventBus, EventSource};
use tokio::io::AsyncReadExt;

use crate::fixtures::{Stage, events};
use crate::support::ports::free_port;
use crate::support::shared::amqp_url;

async fn refusal(url: &str) -> BrokerError {
    let error = Stage::on(url).bus().connect().await.expect_err("this cannot work");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn no_server_at_the_address() {
    let started = Instant::now();
    let error = refusal(&format!("amqp://u:hunter2@127.0.0.1:{}/%2f", free_port())).await;
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn wrong_password() {
    let error = refusal(&amqp_url().replace("guest:guest", "guest:hunter2")).await;
    assert!(matches!(&error, BrokerError::Refused { user, .. } if user == "guest"), "{error}");
}

#[tokio::test]
async fn no_such_virtual_host() {
    let error = refusal(&amqp_url().replace("%2f", "nowhere")).await;
    assert!(matches!(&error, BrokerError::NoSuchVhost { vhost, .. } if vhost == "nowhere"), "{error}");
}

/// A silent broker would keep one thread of the client for every attempt.
#[tokio::test]
async fn a_silent_broker_times_out_and_its_socket_is_closed() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stage = Stage::on(&format!("amqp://u:hunter2@{}/%2f", silent.local_addr().unwrap()));
    stage.settings.connect_timeout_ms = 300;
    let bus = stage.bus();
    let (connected, accepted) = tokio::join!(bus.connect(), silent.accept());
    assert!(matches!(connected, Err(BrokerError::TimedOut { after_ms: 300, .. })), "{connected:?}");
    let mut received = Vec::new();
    let closing = accepted.unwrap().0.read_to_end(&mut received).await;
    assert_eq!((closing.unwrap(), &received[..4]), (8, &b"AMQP"[..]));
}

#[tokio::test]
async fn between_two_attempts_publishing_fails_at_once() {
    let stage = Stage::on(&format!("amqp://127.0.0.1:{}/%2f", free_port()));
    let bus = stage.bus();
    let mut backed_off = 0;
    for _ in 0..200 {
        let started = Instant::now();
        let error = bus.publish(&events([1])).await.unwrap_err();
        assert!(matches!(error, BusError::Unavailable(_)), "{error}");
        assert!(started.elapsed() < Duration::from_millis(500));
        backed_off += usize::from(error.to_string().contains("not contacted again"));
    }
    assert!(backed_off > 190, "{backed_off}");
}

#[tokio::test]
async fn concurrent_publishers_open_one_connection() {
    let stage = Stage::shared();
    let bus = stage.bus();
    let batches: Vec<_> = (1..=40).map(|n| events([n])).collect();
    let published = futures_util::future::join_all(batches.iter().map(|batch| bus.publish(batch))).await;
    assert!(published.iter().all(Result::is_ok), "{published:?}");
    stage.hand().await.until_ready(&stage.names.issuances(), 40).await;
}

#[tokio::test]
async fn a_source_names_the_fault_and_can_be_opened_again() {
    let stage = Stage::on(&format!("amqp://127.0.0.1:{}/%2f", free_port()));
    let source = openrun::messaging::rabbitmq::RabbitSource::new(stage.settings);
    for _ in 0..2 {
        let error = source.open(1).await.err().unwrap();
        assert!(error.to_string().contains("no RabbitMQ answers"), "{error}");
    }
}
