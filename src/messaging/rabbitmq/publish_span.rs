//! The span of publishing a batch, which is part of the trace of every issue request in the batch.

use crate::domain::Traceparent;
use crate::ports::CouponIssued;
use crate::telemetry::{Destination, TraceSpan, TraceSpanKind};

/// Begins a span in each trace of the batch; `None` if no event is traced.
pub(super) fn begin(exchange: &Destination, batch: &[CouponIssued]) -> Option<TraceSpan> {
    let traces = batch.iter().filter_map(|event| event.traceparent.as_ref());
    let span = TraceSpan::for_all(&TraceSpanKind::Producer, &format!("publish {}", exchange.name), traces)?;
    exchange.describe(&span, "publish", "send");
    span.set("messaging.batch.message_count", i64::try_from(batch.len()).unwrap_or(i64::MAX));
    Some(span)
}

/// Makes the publish span the parent of each traced event, in place of the request's span.
pub(super) fn continue_traces(batch: &[CouponIssued], span: &TraceSpan) -> Vec<CouponIssued> {
    let mut batch = batch.to_vec();
    for sent in span.traceparents() {
        // All events of one trace share one span.
        let trace = trace_of(&sent).to_owned();
        let in_trace =
            |event: &&mut CouponIssued| event.traceparent.as_ref().is_some_and(|has| trace_of(has) == trace);
        for event in batch.iter_mut().filter(in_trace) {
            event.traceparent = Some(sent.clone());
        }
    }
    batch
}

/// Version and trace id, without the span id.
fn trace_of(traceparent: &Traceparent) -> &str {
    traceparent.as_str().get(..35).unwrap_or_default()
}
