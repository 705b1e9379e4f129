//! Issue requests, and the trace headers of their responses.

use std::net::SocketAddr;

use serde_json::json;

use crate::receiver::Receiver;
use crate::support::node::NodeBuilder;
use crate::support::races::http;

/// The name of the span of an issue request.
pub(crate) const REQUEST: &str = "POST /v1/coupons/{coupon_id}/issuances";

/// A response to a member.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The header with trace and span.
    pub(crate) traceresponse: Option<String>,
}

impl Answer {
    /// The id of the request's trace.
    pub(crate) fn trace(&self) -> Option<String> {
        let mut parts = self.traceresponse.as_deref()?.split('-');
        assert_eq!(parts.next(), Some("00"), "{self:?}");
        parts.next().map(str::to_owned)
    }

    /// The id of the request's span.
    pub(crate) fn span(&self) -> Option<String> {
        self.traceresponse.as_deref()?.split('-').nth(2).map(str::to_owned)
    }
}

/// Sends an issue request, as part of a trace if one is given.
pub(crate) async fn ask(node: SocketAddr, coupon: &str, member: &str, traceparent: Option<&str>) -> Answer {
    let url = format!("http://{node}/v1/coupons/{coupon}/issuances");
    let mut request = http().post(url).json(&json!({ "member_id": member }));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer = request.send().await.expect("an answer");
    let traceresponse = answer.headers().get("traceresponse");
    let traceresponse = traceresponse.map(|value| value.to_str().expect("text").to_owned());
    Answer { status: answer.status().as_u16(), traceresponse }
}

/// A node that sends its spans to `receiver` with little delay.
pub(crate) fn traced(node: NodeBuilder, receiver: &Receiver, protocol: &str) -> NodeBuilder {
    node.set("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .set("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .set("OTEL_BSP_SCHEDULE_DELAY", "50")
}
