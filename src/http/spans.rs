//! Spans of requests: sampled before the request is handled, and named in the response.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::{TraceSpan, is_tracing};

/// Response header of W3C Trace Context: the trace, and the span of this request.
pub(super) const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// Request header of W3C Trace Context: the trace of the client.
pub(super) const TRACEPARENT: &str = "traceparent";
/// Paths of probes and Prometheus, which are requested all the time.
const UNTRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

pub(super) fn is_untraced(path: &str) -> bool {
    UNTRACED.contains(&path)
}

/// The span of `request`, if it is traced.
pub(super) fn begin(request: &ServiceRequest) -> Option<TraceSpan> {
    if !is_tracing() || is_untraced(request.path()) {
        return None;
    }
    let span = TraceSpan::of_request(request.method().as_str(), traceparent(request.headers()))?;
    // The path is left out, because some paths contain member ids.
    span.set("http.request.method", request.method().as_str().to_owned());
    span.set("url.scheme", "http");
    Some(span)
}

/// The trace of the client.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT).and_then(|value| value.to_str().ok())
}

/// Records the response in `span`, and names the span in a header of the response.
pub(super) fn record_response<B>(span: &TraceSpan, response: &mut ServiceResponse<B>) {
    let status = response.status();
    span.set("http.response.status_code", i64::from(status.as_u16()));
    let method = response.request().method().as_str();
    if let Some(route) = response.request().match_pattern() {
        span.rename(&format!("{method} {route}"));
        tracing::debug!(method, route, status = status.as_u16(), "answered a traced request");
        span.set("http.route", route);
    }
    if status.is_server_error() {
        span.failed(status.as_str().to_owned(), status.canonical_reason().unwrap_or_default());
    }
    let trace = span.traceparent().and_then(|trace| HeaderValue::from_str(trace.as_str()).ok());
    if let Some(trace) = trace {
        response.headers_mut().insert(TRACE_RESPONSE, trace);
    }
}
