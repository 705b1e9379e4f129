//! What has become of the spans of this process. They are made long before there are metrics, and outlive them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

/// Spans that ended.
static ENDED: AtomicU64 = AtomicU64::new(0);
/// Spans that a receiver has taken.
pub(super) static DELIVERED: AtomicU64 = AtomicU64::new(0);
/// Spans that no receiver took.
pub(super) static LOST: AtomicU64 = AtomicU64::new(0);

/// What has become of spans. Those that are neither delivered nor lost wait, or found no room where they would have waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct SpanCounts {
    /// All there were.
    pub(in crate::telemetry) ended: u64,
    /// Those a receiver has taken.
    pub(in crate::telemetry) delivered: u64,
    /// Those no receiver took.
    pub(in crate::telemetry) lost: u64,
}

/// How many there have been in this process so far.
pub(in crate::telemetry) fn span_counts() -> SpanCounts {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    SpanCounts { ended: read(&ENDED), delivered: read(&DELIVERED), lost: read(&LOST) }
}

/// Counts spans on their way into the queue.
#[derive(Debug)]
pub(super) struct Counted(pub(super) BatchSpanProcessor);

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        ENDED.fetch_add(1, Ordering::Relaxed);
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, bound: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(bound)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
