//! Requests that are traced: chosen before anything else is done for them, and told of in the answer.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::{TraceSpan, is_tracing};

/// W3C's header of an answer: the trace, and the span that answered.
pub(super) const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// The header of a request that names the trace it belongs to.
pub(super) const TRACEPARENT: &str = "traceparent";
/// What probes and Prometheus ask, time and again: nobody looks for a trace of it.
const UNTRACED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Whether nobody looks for a trace of what is asked at `path`.
pub(super) fn is_untraced(path: &str) -> bool {
    UNTRACED.contains(&path)
}

/// The work of answering `request`, if it is traced.
pub(super) fn begin(request: &ServiceRequest) -> Option<TraceSpan> {
    if !is_tracing() || is_untraced(request.path()) {
        return None;
    }
    let work = TraceSpan::of_request(request.method().as_str(), traceparent(request.headers()))?;
    // The path itself is left out, because members are named in some.
    work.set("http.request.method", request.method().as_str().to_owned());
    work.set("url.scheme", "http");
    Some(work)
}

/// The trace that the client says the request belongs to.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT).and_then(|value| value.to_str().ok())
}

/// Notes how `work` was answered, and says in the answer which trace tells of it.
pub(super) fn answered<B>(work: &TraceSpan, response: &mut ServiceResponse<B>) {
    let status = response.status();
    work.set("http.response.status_code", i64::from(status.as_u16()));
    let method = response.request().method().as_str();
    if let Some(route) = response.request().match_pattern() {
        work.rename(&format!("{method} {route}"));
        tracing::debug!(method, route, status = status.as_u16(), "a traced request was answered");
        work.set("http.route", route);
    }
    if status.is_server_error() {
        work.failed(status.as_str().to_owned(), status.canonical_reason().unwrap_or_default());
    }
    let told = work.traceparent().and_then(|trace| HeaderValue::from_str(trace.as_str()).ok());
    if let Some(told) = told {
        response.headers_mut().insert(TRACE_RESPONSE, told);
    }
}
