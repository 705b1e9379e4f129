//! Where messages go, in the words of the semantic conventions.

use std::sync::Arc;

use super::trace_span::TraceSpan;

/// An exchange, a queue, a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `messaging.system`.
    pub system: &'static str,
    /// `messaging.destination.name`.
    pub name: Arc<str>,
}

impl Destination {
    /// Notes on `work` what is done there, by the system's word and by everybody's.
    pub fn note_on(&self, work: &TraceSpan, operation: &'static str, kind: &'static str) {
        work.note("messaging.system", self.system);
        work.note("messaging.destination.name", Arc::clone(&self.name));
        work.note("messaging.operation.name", operation);
        work.note("messaging.operation.type", kind);
    }
}
