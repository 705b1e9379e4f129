//! Traces of the embedded engine, exported over HTTP.

use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::members::{REQUEST, ask, traced};
use crate::receiver::{Receiver, named};
use crate::support::node::NodeProcess;
use crate::support::races::{create_coupon, http, metric, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_begins_with_the_request_and_names_the_service() {
    let receiver = Receiver::http();
    let node = traced(NodeProcess::embedded(), &receiver, "http/protobuf")
        .set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test%20bed")
        // The log level has no effect on traces.
        .set("OPENRUN_LOG", "openrun::bootstrap=info");
    let node = node.start().await;
    create_coupon(node.address(), "drop", 1).await;
    let answer = ask(node.address(), "drop", "kim", None).await;
    let trace = answer.trace().expect("a traced request");
    let spans = receiver.until_has(&trace, &[REQUEST, "admit batch", "admit transaction"]).await;
    let [request, batch, transaction] =
        [REQUEST, "admit batch", "admit transaction"].map(|name| named(&spans, name));
    assert_eq!((request.parent().as_str(), answer.span()), ("", Some(request.id())));
    assert_eq!((batch.parent(), transaction.parent()), (request.id(), batch.id()));
    assert_eq!(transaction.attribute("db.system.name"), "sqlite");
    assert_eq!(request.resource("service.name"), "openrun");
    assert_eq!(request.resource("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(request.resource("deployment.environment.name"), "test bed");

    // Rejections and reads have request spans as well.
    let refused = ask(node.address(), "drop", "lee", None).await;
    let spans = receiver.until_has(&refused.trace().expect("a traced request"), &[REQUEST]).await;
    assert_eq!(named(&spans, REQUEST).attribute("http.response.status_code"), "409");
    assert_ne!(
        named(&spans, REQUEST).span.status.as_ref().map(|status| status.code),
        Some(StatusCode::Error as i32)
    );
    let found = http().get(node.url("/v1/coupons/drop/issuances/kim")).send().await.expect("an answer");
    let traceresponse = found.headers()["traceresponse"].to_str().expect("text").to_owned();
    let trace = traceresponse.split('-').nth(1).expect("a trace id");
    receiver
        .until_has(trace, &["GET /v1/coupons/{coupon_id}/issuances/{member_id}", "SELECT coupon_issuances"])
        .await;

    let count =
        async |what: &str| metric(node.address(), &format!("openrun_trace_spans_{what}_total"), "").await;
    until("all spans to be delivered", async || {
        (count("delivered").await == count("ended").await).then_some(())
    })
    .await;
    assert_eq!((count("delivered").await, count("lost").await), (receiver.spans().len() as f64, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_sends_its_last_spans_and_probes_have_none() {
    let receiver = Receiver::http();
    let node = traced(NodeProcess::embedded(), &receiver, "http/protobuf")
        .set("OTEL_SERVICE_NAME", "drop-1")
        .set("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut node = node.start().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = http().get(node.url(path)).send().await.expect("an answer");
        assert!(answer.headers().get("traceresponse").is_none(), "{path}");
    }
    create_coupon(node.address(), "drop", 1).await;
    let trace = ask(node.address(), "drop", "kim", None).await.trace().expect("a traced request");
    assert_eq!(node.terminate().await, Some(0));
    let spans = receiver.spans();
    let request = spans.iter().find(|span| span.trace() == trace && span.span.name == REQUEST);
    assert_eq!(request.expect("the span was sent").resource("service.name"), "drop-1");
    let names: Vec<_> = spans.iter().map(|span| span.span.name.as_str()).collect();
    assert!(!names.iter().any(|name| name.starts_with("GET")), "{names:?}");
}
