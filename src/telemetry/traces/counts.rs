//! Counters of spans. They are static, because tracing starts before the metrics exist and ends after them.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use prometheus::IntCounter;

use crate::telemetry::metric_registrar::MetricRegistrar;

static ENDED: LazyLock<IntCounter> = LazyLock::new(|| counter("trace_spans_ended_total", "Spans that ended"));
pub(super) static DELIVERED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("trace_spans_delivered_total", "Spans that the collector accepted"));
pub(super) static LOST: LazyLock<IntCounter> =
    LazyLock::new(|| counter("trace_spans_lost_total", "Spans that the collector did not accept"));

/// Ended spans that are neither delivered nor lost wait in the queue, or were dropped because it was full.
pub(in crate::telemetry) fn span_counters() -> [IntCounter; 3] {
    [&ENDED, &DELIVERED, &LOST].map(|counter| IntCounter::clone(counter))
}

fn counter(name: &str, help: &str) -> IntCounter {
    // As in `MetricRegistrar`: an invalid name fails in every test that creates `Metrics`.
    IntCounter::with_opts(MetricRegistrar::opts(name, help))
        .unwrap_or_else(|error| unreachable!("a metric of src/telemetry cannot be created: {error}"))
}

/// Counts spans before they enter the queue.
#[derive(Debug)]
pub(super) struct CountingProcessor(pub(super) BatchSpanProcessor);

impl SpanProcessor for CountingProcessor {
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
