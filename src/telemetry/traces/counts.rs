//! What has become of the spans of this process. They are made long before there are metrics, and outlive them.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use prometheus::IntCounter;

use crate::telemetry::metric_registrar::MetricRegistrar;

/// Spans that ended.
static ENDED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("trace_spans_ended_total", "Spans of the requests that are traced"));
/// Spans that a receiver has taken.
pub(super) static DELIVERED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("trace_spans_delivered_total", "Spans that the receiver of traces has taken"));
/// Spans that no receiver took.
pub(super) static LOST: LazyLock<IntCounter> =
    LazyLock::new(|| counter("trace_spans_lost_total", "Spans that the receiver of traces did not take"));

/// What has become of spans. Those that are neither delivered nor lost wait, or found no room where they would have waited.
pub(in crate::telemetry) fn span_counters() -> [IntCounter; 3] {
    [&ENDED, &DELIVERED, &LOST].map(|counter| IntCounter::clone(counter))
}

fn counter(name: &str, help: &str) -> IntCounter {
    // As in `MetricRegistrar`: a wrong name fails in every test that makes metrics.
    IntCounter::with_opts(MetricRegistrar::opts(name, help))
        .unwrap_or_else(|error| unreachable!("a metric of this folder is wrong: {error}"))
}

/// Counts spans on their way into the queue.
#[derive(Debug)]
pub(super) struct Counted(pub(super) BatchSpanProcessor);

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        ENDED.inc();
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
