//! The publishing of a batch as part of the traces of the requests whose events it has.

use crate::domain::Traceparent;
use crate::ports::CouponIssued;
use crate::telemetry::{Destination, TraceSpan, TraceSpanKind};

/// A span in each trace that the batch has events of; `None` if none of them is traced.
pub(super) fn begin(exchange: &Destination, batch: &[CouponIssued]) -> Option<TraceSpan> {
    let traces = batch.iter().filter_map(|event| event.traceparent.as_ref());
    let span = TraceSpan::for_all(TraceSpanKind::Producer, &format!("publish {}", exchange.name), traces)?;
    exchange.describe(&span, "publish", "send");
    span.set("messaging.batch.message_count", i64::try_from(batch.len()).unwrap_or(i64::MAX));
    Some(span)
}

/// The batch with each traced event as a continuation of its publishing, and not of the request itself.
pub(super) fn continue_traces(batch: &[CouponIssued], span: &TraceSpan) -> Vec<CouponIssued> {
    let mut batch = batch.to_vec();
    for sent in span.traceparents() {
        // A trace has one span for the whole batch, which all its events there continue.
        let trace = trace_of(&sent).to_owned();
        let is_same =
            |event: &&mut CouponIssued| event.traceparent.as_ref().is_some_and(|has| trace_of(has) == trace);
        for event in batch.iter_mut().filter(is_same) {
            event.traceparent = Some(sent.clone());
        }
    }
    batch
}

/// The version and the trace, without the span.
fn trace_of(traceparent: &Traceparent) -> &str {
    traceparent.as_str().get(..35).unwrap_or_default()
}
