//! The full stack: each trace reaches from the request to the row, even if requests share a batch.

use futures_util::future::join_all;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

use crate::members::{REQUEST, ask, traced};
use crate::receiver::{Received, Receiver, named};
use crate::support::node::{NodeProcess, Stack};
use crate::support::races::{create_coupon, until, until_persisted};
use crate::support::shared::coupon_id;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A queue that gets a copy of every message.
struct Tap {
    _connection: Connection,
    channel: Channel,
    queue: String,
}

impl Tap {
    async fn on(stack: &Stack) -> Self {
        let connection = Connection::connect(&stack.amqp_url, ConnectionProperties::default()).await;
        let connection = connection.expect("RabbitMQ accepts connections");
        let channel = connection.create_channel().await.expect("the connection is open");
        let queue = format!("{}.tap", stack.amqp_namespace);
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await;
        declared.expect("the name is unused");
        let exchange = format!("{}.issuances", stack.amqp_namespace);
        let bound = channel.queue_bind(
            queue.as_str().into(),
            exchange.as_str().into(),
            "coupon.issued".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("the exchange is there");
        Self { _connection: connection, channel, queue }
    }

    /// The `traceparent` of the next message, from its header and from its body.
    async fn traceparents(&self) -> (String, String) {
        let message = until("a message", async || {
            let message =
                self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: true }).await;
            message.expect("the queue exists")
        })
        .await;
        let headers = message.properties.headers().as_ref().expect("a message with headers");
        let header = headers.inner().get("traceparent").and_then(|value| value.as_long_string());
        let body: Value = serde_json::from_slice(&message.data).expect("JSON");
        let in_body = body["traceparent"].as_str().expect("a traceparent").to_owned();
        (header.expect("a traceparent").to_string(), in_body)
    }
}

fn is_kind(span: &Received, kind: SpanKind) -> bool {
    span.span.kind == kind as i32
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_from_the_answer_to_the_row() {
    let (stack, receiver, coupon) = (Stack::shared().await, Receiver::grpc().await, coupon_id());
    let node =
        traced(NodeProcess::redis_lua(&stack), &receiver, "grpc").set("OPENRUN_LOG", "info,openrun=debug");
    let node = node.start().await;
    let tap = Tap::on(&stack).await;
    create_coupon(node.address(), &coupon, 10).await;

    let answer = ask(node.address(), &coupon, "kim", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    assert_eq!((answer.status, answer.trace().as_deref()), (201, Some(TRACE)), "{answer:?}");

    let (header, body) = tap.traceparents().await;
    assert_eq!(header, body);
    assert_eq!(header.split('-').nth(1), Some(TRACE), "the message carries the trace: {header}");

    until_persisted(&stack.database_url, &coupon, 1).await;
    let (publish, process) = (
        format!("publish {}.issuances", stack.amqp_namespace),
        format!("process {}.issuances", stack.amqp_namespace),
    );
    let names = [REQUEST, "admit batch", "EVALSHA admit", &publish, &process, "INSERT coupon_issuances"];
    let spans = receiver.until_has(TRACE, &names).await;
    let [request, batch, script, publish, process, insert] = names.map(|name| named(&spans, name));

    for (span, parent, kind) in [
        (request, CALLER, SpanKind::Server),
        (batch, &*request.id(), SpanKind::Internal),
        (script, &batch.id(), SpanKind::Client),
        (publish, &request.id(), SpanKind::Producer),
        (process, &publish.id(), SpanKind::Consumer),
        (insert, &process.id(), SpanKind::Client),
    ] {
        assert_eq!(span.parent(), parent, "{span:?}");
        assert!(is_kind(span, kind), "{span:?}");
        assert!(span.span.end_time_unix_nano >= span.span.start_time_unix_nano, "{span:?}");
    }
    assert_eq!(answer.span(), Some(request.id()), "the response names the request's span");
    assert_eq!(
        header.split('-').nth(2),
        Some(&*publish.id()),
        "the message names the span of its publishing"
    );
    for (span, key, value) in [
        (request, "http.request.method", "POST"),
        (request, "http.route", "/v1/coupons/{coupon_id}/issuances"),
        (request, "http.response.status_code", "201"),
        (batch, "openrun.coupon.id", &coupon),
        (batch, "openrun.batch.size", "1"),
        (script, "db.system.name", "redis"),
        (script, "db.operation.name", "EVALSHA"),
        (script, "db.stored_procedure.name", "admit"),
        (publish, "messaging.system", "rabbitmq"),
        (publish, "messaging.operation.type", "send"),
        (process, "messaging.operation.type", "process"),
        (insert, "db.system.name", "postgresql"),
        (insert, "db.collection.name", "coupon_issuances"),
    ] {
        assert_eq!(span.attribute(key), value, "{key}: {span:?}");
    }
    assert!(
        spans.iter().all(|span| !format!("{:?}", span.span.attributes).contains("kim")),
        "no attribute contains a member id"
    );

    let in_log = node.log().lines().any(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["trace_id"] == TRACE && line["fields"]["message"] == "answered a traced request"
    });
    assert!(in_log, "the log has the trace");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trace_of_a_batch_is_complete_and_linked_to_the_others() {
    const MEMBERS: usize = 16;
    let (stack, receiver, coupon) = (Stack::shared().await, Receiver::grpc().await, coupon_id());
    let node = traced(NodeProcess::redis_lua(&stack), &receiver, "grpc").start().await;
    create_coupon(node.address(), &coupon, 100_000).await;
    let publish = format!("publish {}.issuances", stack.amqp_namespace);
    let process = format!("process {}.issuances", stack.amqp_namespace);
    let stages = [REQUEST, "admit batch", "EVALSHA admit", &publish, &process, "INSERT coupon_issuances"];

    let mut round = 0;
    // Simultaneous requests may or may not share a batch, so the test repeats until some do.
    let shared = until("a shared batch", async || {
        round += 1;
        let members: Vec<String> = (0..MEMBERS).map(|number| format!("m{round}-{number}")).collect();
        let requests = members.iter().map(|member| ask(node.address(), &coupon, member, None));
        for answer in join_all(requests).await {
            assert_eq!(answer.status, 201, "{answer:?}");
            receiver.until_has(&answer.trace().expect("all are traced"), &stages).await;
        }
        let spans = receiver.spans();
        let lead = spans.iter().find(|span| span.span.name == "admit batch" && span.links().len() > 1);
        lead.cloned()
    })
    .await;

    let spans = receiver.spans();
    assert!(
        shared.links().len() < MEMBERS,
        "the lead has at most one link to each of the others: {shared:?}"
    );
    for (trace, request) in shared.links() {
        if trace == shared.trace() {
            continue;
        }
        let other = spans.iter().filter(|span| span.trace() == trace);
        let batch: Vec<_> = other.filter(|span| span.span.name == "admit batch").collect();
        let [batch] = batch[..] else { panic!("not exactly one batch span: {batch:?}") };
        assert_eq!(batch.parent(), request, "its parent is the request that the lead links to");
        let is_linked = batch.links().iter().any(|(trace, _)| *trace == shared.trace());
        assert!(is_linked || batch.links().len() > 1, "the batch span has a link to the lead: {batch:?}");
    }
}
