//! The destination of messages, as attributes of the semantic conventions.

use std::sync::Arc;

use super::trace_span::TraceSpan;

/// An exchange or a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `messaging.system`.
    pub system: &'static str,
    /// `messaging.destination.name`.
    pub name: Arc<str>,
}

impl Destination {
    /// Sets the attributes of an operation: `operation` is its name in the messaging system, `kind` its general type.
    pub fn describe(&self, span: &TraceSpan, operation: &'static str, kind: &'static str) {
        span.set("messaging.system", self.system);
        span.set("messaging.destination.name", Arc::clone(&self.name));
        span.set("messaging.operation.name", operation);
        span.set("messaging.operation.type", kind);
    }
}
