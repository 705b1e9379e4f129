//! A receiver that is not there, or that never answers: nobody waits for it.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::members::ask;
use crate::support::node::{NodeBuilder, NodeProcess};
use crate::support::ports::free_port;
use crate::support::races::{create_coupon, metric, until};

const REQUESTS: usize = 200;
/// The end waits for the last spans for two seconds. A client below would go on for fifteen.
const END_MAX: Duration = Duration::from_secs(11);
const UNDELIVERED: &str = "traces cannot be delivered";
const STOPPED: &str = "openrun has stopped";

fn towards(port: u16, protocol: &str) -> NodeBuilder {
    NodeProcess::embedded()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .set("OTEL_BSP_SCHEDULE_DELAY", "20")
        // Few find room.
        .set("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
}

/// Asks many times, all of which are traced and answered.
async fn issue_to_all(node: &mut NodeProcess) {
    create_coupon(node.address(), "drop", u32::try_from(REQUESTS).expect("few")).await;
    for number in 0..REQUESTS {
        let answer = ask(node.address(), "drop", &format!("m{number}"), None).await;
        assert!(answer.status == 201 && answer.traceresponse.is_some(), "{answer:?}");
    }
}

/// Ends it; how long that took once everything but telemetry was over.
async fn end(node: &mut NodeProcess) -> Duration {
    node.ask_to_end();
    until("the end of all else", async || node.log().contains(STOPPED).then_some(())).await;
    let begun = Instant::now();
    assert_eq!(node.ended().await, Some(0));
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_not_there_is_said_once() {
    for protocol in ["grpc", "http/protobuf"] {
        let mut node = towards(free_port(), protocol).start().await;
        issue_to_all(&mut node).await;
        until("word of it", async || node.log().contains(UNDELIVERED).then_some(())).await;
        let count =
            async |what: &str| metric(node.address(), &format!("openrun_trace_spans_{what}_total"), "").await;
        let [lost, delivered, ended] = [count("lost").await, count("delivered").await, count("ended").await];
        assert!(
            lost > 0.0 && delivered == 0.0 && ended > lost,
            "{lost} of {ended} lost, {delivered} delivered"
        );
        let took = end(&mut node).await;
        assert!(took < END_MAX, "{protocol}: {took:?}");
        let log = node.log();
        assert_eq!(log.matches(UNDELIVERED).count(), 1, "{protocol}: {log}");
        assert!(!log.contains("\"ERROR\""), "{protocol}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_neither_members_nor_the_end() {
    for protocol in ["grpc", "http/protobuf"] {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = silent.local_addr().expect("it listens").port();
        let holding = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = silent.accept().await {
                held.push(connection);
            }
        });
        let mut node = towards(port, protocol).set("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000").start().await;
        issue_to_all(&mut node).await;
        let took = end(&mut node).await;
        assert!(took < END_MAX, "{protocol}: {took:?}");
        holding.abort();
    }
}
