//! An absent or silent receiver of traces delays neither requests nor the shutdown.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::members::ask;
use crate::support::node::{NodeBuilder, NodeProcess};
use crate::support::ports::free_port;
use crate::support::races::{create_coupon, metric, until};

const REQUESTS: usize = 200;
/// The shutdown waits two seconds for the last spans. The exporter's own limit is fifteen.
const END_MAX: Duration = Duration::from_secs(11);
const UNDELIVERED: &str = "traces cannot be delivered";
const STOPPED: &str = "openrun has stopped";

fn exporting_to(port: u16, protocol: &str) -> NodeBuilder {
    NodeProcess::embedded()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .set("OTEL_BSP_SCHEDULE_DELAY", "20")
        // Most spans exceed the queue.
        .set("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
}

/// Sends many issue requests and checks that all are traced and answered.
async fn issue_to_members(node: &mut NodeProcess) {
    create_coupon(node.address(), "drop", u32::try_from(REQUESTS).expect("few")).await;
    for number in 0..REQUESTS {
        let answer = ask(node.address(), "drop", &format!("m{number}"), None).await;
        assert!(answer.status == 201 && answer.traceresponse.is_some(), "{answer:?}");
    }
}

/// Stops the node and returns the time that it took after everything but telemetry had stopped.
async fn stop(node: &mut NodeProcess) -> Duration {
    node.ask_to_end();
    until("the stop of everything but telemetry", async || node.log().contains(STOPPED).then_some(())).await;
    let start = Instant::now();
    assert_eq!(node.ended().await, Some(0));
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_receiver_is_logged_once() {
    for protocol in ["grpc", "http/protobuf"] {
        let mut node = exporting_to(free_port(), protocol).start().await;
        issue_to_members(&mut node).await;
        until("the warning", async || node.log().contains(UNDELIVERED).then_some(())).await;
        let count =
            async |what: &str| metric(node.address(), &format!("openrun_trace_spans_{what}_total"), "").await;
        let [lost, delivered, ended] = [count("lost").await, count("delivered").await, count("ended").await];
        assert!(
            lost > 0.0 && delivered == 0.0 && ended > lost,
            "{lost} of {ended} lost, {delivered} delivered"
        );
        let took = stop(&mut node).await;
        assert!(took < END_MAX, "{protocol}: {took:?}");
        let log = node.log();
        assert_eq!(log.matches(UNDELIVERED).count(), 1, "{protocol}: {log}");
        assert!(!log.contains("\"ERROR\""), "{protocol}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_receiver_delays_neither_requests_nor_the_shutdown() {
    for protocol in ["grpc", "http/protobuf"] {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = silent.local_addr().expect("an address").port();
        let accepting = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = silent.accept().await {
                connections.push(connection);
            }
        });
        let mut node =
            exporting_to(port, protocol).set("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000").start().await;
        issue_to_members(&mut node).await;
        let took = stop(&mut node).await;
        assert!(took < END_MAX, "{protocol}: {took:?}");
        accepting.abort();
    }
}
