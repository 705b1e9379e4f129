//! Between the trace context of the wire and the SDK's.

use std::cell::RefCell;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use crate::domain::Traceparent;

/// The places of the two ids in a `traceparent` of version 00.
const TRACE: std::ops::Range<usize> = 3..35;
const SPAN: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;

pub(super) fn trace_id(traceparent: &Traceparent) -> TraceId {
    TraceId::from_hex(&traceparent.as_str()[TRACE]).unwrap_or(TraceId::INVALID)
}

/// Whether whoever sent it traces the request.
pub(super) fn is_sampled(traceparent: &Traceparent) -> bool {
    flags(traceparent).is_sampled()
}

fn flags(traceparent: &Traceparent) -> TraceFlags {
    TraceFlags::new(u8::from_str_radix(&traceparent.as_str()[FLAGS], 16).unwrap_or(0))
}

/// What came over the wire as a parent.
pub(super) fn parent(traceparent: &Traceparent) -> SpanContext {
    let span = SpanId::from_hex(&traceparent.as_str()[SPAN]).unwrap_or(SpanId::INVALID);
    SpanContext::new(trace_id(traceparent), span, flags(traceparent), true, TraceState::NONE)
}

/// What goes over the wire for a span.
pub(super) fn traceparent(context: &SpanContext) -> Option<Traceparent> {
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    Traceparent::parse(&format!("00-{trace}-{span}-{flags:02x}"))
}

thread_local! {
    static DRAWN: RefCell<Option<TraceId>> = const { RefCell::new(None) };
}

/// Draws the id of a trace that may begin: whether it does depends on the id.
pub(super) fn draw() -> TraceId {
    RandomIdGenerator::default().new_trace_id()
}

/// Lets the next trace that begins on this thread have this id.
pub(super) fn begin_with(trace: TraceId) {
    DRAWN.set(Some(trace));
}

/// Gives a new trace the id by which it was chosen.
#[derive(Debug, Default)]
pub(super) struct DrawnIds(RandomIdGenerator);

impl IdGenerator for DrawnIds {
    fn new_trace_id(&self) -> TraceId {
        DRAWN.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use super::{is_sampled, parent, traceparent};
    use crate::domain::Traceparent;

    #[test]
    fn a_context_is_written_as_it_was_read() {
        for flags in ["00", "01", "03"] {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let read = Traceparent::parse(&text).unwrap();
            assert!(parent(&read).is_valid() && parent(&read).is_remote());
            assert_eq!(traceparent(&parent(&read)), Some(read.clone()));
            assert_eq!(is_sampled(&read), flags != "00");
        }
    }
}
