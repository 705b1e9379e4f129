//! Converts between `traceparent` headers and the SDK's contexts.

use std::cell::RefCell;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use crate::domain::Traceparent;

// The fields of a `traceparent` of version 00.
const TRACE: std::ops::Range<usize> = 3..35;
const SPAN: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;

pub(super) fn trace_id(traceparent: &Traceparent) -> TraceId {
    TraceId::from_hex(&traceparent.as_str()[TRACE]).unwrap_or(TraceId::INVALID)
}

/// Whether the caller traces the request.
pub(super) fn is_sampled(traceparent: &Traceparent) -> bool {
    flags(traceparent).is_sampled()
}

fn flags(traceparent: &Traceparent) -> TraceFlags {
    TraceFlags::new(u8::from_str_radix(&traceparent.as_str()[FLAGS], 16).unwrap_or(0))
}

pub(super) fn parent(traceparent: &Traceparent) -> SpanContext {
    let span = SpanId::from_hex(&traceparent.as_str()[SPAN]).unwrap_or(SpanId::INVALID);
    SpanContext::new(trace_id(traceparent), span, flags(traceparent), true, TraceState::NONE)
}

pub(super) fn traceparent(context: &SpanContext) -> Option<Traceparent> {
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    Traceparent::parse(&format!("00-{trace}-{span}-{flags:02x}"))
}

thread_local! {
    static PRESET: RefCell<Option<TraceId>> = const { RefCell::new(None) };
}

/// A random id for a new trace. The sampler decides by the id, before the SDK starts the trace.
pub(super) fn random_trace_id() -> TraceId {
    RandomIdGenerator::default().new_trace_id()
}

/// Makes the SDK use this id for the next trace that starts on this thread.
pub(super) fn preset_trace_id(trace: TraceId) {
    PRESET.set(Some(trace));
}

/// Gives a new trace the preset id, which the sampler has chosen.
#[derive(Debug, Default)]
pub(super) struct PresetIds(RandomIdGenerator);

impl IdGenerator for PresetIds {
    fn new_trace_id(&self) -> TraceId {
        PRESET.take().unwrap_or_else(|| self.0.new_trace_id())
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
    fn a_traceparent_survives_conversion_to_a_context_and_back() {
        for flags in ["00", "01", "03"] {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let read = Traceparent::parse(&text).unwrap();
            assert!(parent(&read).is_valid() && parent(&read).is_remote());
            assert_eq!(traceparent(&parent(&read)), Some(read.clone()));
            assert_eq!(is_sampled(&read), flags != "00");
        }
    }
}
