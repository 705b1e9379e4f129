//! A collector that is down or never answers delays neither members nor the end of the process.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::members::request_coupon;
use crate::support::node::{NodeBuilder, NodeProcess};
use crate::support::ports::free_port;
use crate::support::races::{create_coupon, metric, until};

const REQUESTS: usize = 200;
/// The end waits two seconds for the last spans; without that limit, the client would wait fifteen.
const END_MAX: Duration = Duration::from_secs(11);
const UNDELIVERED: &str = "traces cannot be delivered";
const STOPPED: &str = "openrun has stopped";

fn node_with_collector(port: u16, protocol: &str) -> NodeBuilder {
    NodeProcess::embedded()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .set("OTEL_BSP_SCHEDULE_DELAY", "20")
        // Small, so that spans are dropped.
        .set("OTEL_BSP_MAX_QUEUE_SIZE", "16")
        .set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
}

/// Sends many requests; each is answered and traced.
async fn issue_to_all(node: &mut NodeProcess) {
    create_coupon(node.address(), "drop", u32::try_from(REQUESTS).expect("few")).await;
    for number in 0..REQUESTS {
        let answer = request_coupon(node.address(), "drop", &format!("m{number}"), None).await;
        assert!(answer.status == 201 && answer.traceresponse.is_some(), "{answer:?}");
    }
}

/// Stops the node; returns how long its process lived after everything but telemetry had stopped.
async fn stop(node: &mut NodeProcess) -> Duration {
    node.ask_to_end();
    until("the end of the node", async || node.log().contains(STOPPED).then_some(())).await;
    let start = Instant::now();
    assert_eq!(node.ended().await, Some(0));
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_is_logged_once() {
    for protocol in ["grpc", "http/protobuf"] {
        let mut node = node_with_collector(free_port(), protocol).start().await;
        issue_to_all(&mut node).await;
        until("the warning", async || node.log().contains(UNDELIVERED).then_some(())).await;
        let count = async |state: &str| {
            metric(node.address(), &format!("openrun_trace_spans_{state}_total"), "").await
        };
        let [lost, delivered, ended] = [count("lost").await, count("delivered").await, count("ended").await];
        assert!(
            lost > 0.0 && delivered == 0.0 && ended > lost,
            "{lost} of {ended} lost, {delivered} delivered"
        );
        let elapsed = stop(&mut node).await;
        assert!(elapsed < END_MAX, "{protocol}: {elapsed:?}");
        let log = node.log();
        assert_eq!(log.matches(UNDELIVERED).count(), 1, "{protocol}: {log}");
        assert!(!log.contains("\"ERROR\""), "{protocol}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_delays_neither_members_nor_the_end() {
    for protocol in ["grpc", "http/protobuf"] {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = silent.local_addr().expect("it listens").port();
        let accepting = tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((connection, _)) = silent.accept().await {
                connections.push(connection);
            }
        });
        let mut node =
            node_with_collector(port, protocol).set("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000").start().await;
        issue_to_all(&mut node).await;
        let elapsed = stop(&mut node).await;
        assert!(elapsed < END_MAX, "{protocol}: {elapsed:?}");
        accepting.abort();
    }
}
