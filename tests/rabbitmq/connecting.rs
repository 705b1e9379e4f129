//! One clear sentence for each way in which there may be no broker.

use std::time::{Duration, Instant};

use openrun::messaging::rabbitmq::BrokerError;
use openrun::ports::{BusError, EventBus, EventSource};
use tokio::io::AsyncReadExt;

use crate::fixtures::{Stage, window};
use crate::support::ports::free_port;
use crate::support::shared::amqp_url;

async fn refusal(url: &str) -> BrokerError {
    let error = Stage::on(url).bus().connect().await.expect_err("this cannot work");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn nobody_at_that_address() {
    let begun = Instant::now();
    let error = refusal(&format!("amqp://u:hunter2@127.0.0.1:{}/%2f", free_port())).await;
    assert!(matches!(error, BrokerError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
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

/// The client's thread would wait for a silent broker for ever, once for every try.
#[tokio::test]
async fn a_silent_broker_is_given_up_in_time_and_its_socket_closed() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stage = Stage::on(&format!("amqp://u:hunter2@{}/%2f", silent.local_addr().unwrap()));
    stage.settings.connect_timeout_ms = 300;
    let bus = stage.bus();
    let (connected, accepted) = tokio::join!(bus.connect(), silent.accept());
    assert!(matches!(connected, Err(BrokerError::TimedOut { after_ms: 300, .. })), "{connected:?}");
    let mut heard = Vec::new();
    let closing = accepted.unwrap().0.read_to_end(&mut heard).await;
    assert_eq!((closing.unwrap(), &heard[..4]), (8, &b"AMQP"[..]));
}

#[tokio::test]
async fn between_two_tries_the_answer_comes_at_once() {
    let stage = Stage::on(&format!("amqp://127.0.0.1:{}/%2f", free_port()));
    let bus = stage.bus();
    let mut backed_off = 0;
    for _ in 0..200 {
        let begun = Instant::now();
        let error = bus.publish(&window([1])).await.unwrap_err();
        assert!(matches!(error, BusError::Unavailable(_)), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(500));
        backed_off += usize::from(error.to_string().contains("not tried again"));
    }
    assert!(backed_off > 190, "{backed_off}");
}

#[tokio::test]
async fn many_who_need_the_connection_open_one() {
    let stage = Stage::shared();
    let bus = stage.bus();
    let windows: Vec<_> = (1..=40).map(|n| window([n])).collect();
    let published = futures_util::future::join_all(windows.iter().map(|window| bus.publish(window))).await;
    assert!(published.iter().all(Result::is_ok), "{published:?}");
    stage.hand().await.until_ready(&stage.names.issuances(), 40).await;
}

#[tokio::test]
async fn a_source_says_what_is_wrong_and_can_be_asked_again() {
    let stage = Stage::on(&format!("amqp://127.0.0.1:{}/%2f", free_port()));
    let source = openrun::messaging::rabbitmq::RabbitSource::new(stage.settings);
    for _ in 0..2 {
        let error = source.open(1).await.err().unwrap();
        assert!(error.to_string().contains("no RabbitMQ answers"), "{error}");
    }
}
