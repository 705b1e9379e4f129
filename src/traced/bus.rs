//! A bus whose windows are parts of the traces of the requests that they are sent for.

use std::sync::Arc;

use async_trait::async_trait;

use super::count;
use crate::domain::Traceparent;
use crate::ports::{BusError, CouponIssued, EventBus};
use crate::telemetry::{Destination, TraceSpan, TraceSpanKind};

/// A bus with spans around what is published.
pub struct TracedBus {
    bus: Arc<dyn EventBus>,
    to: Destination,
}

impl TracedBus {
    /// Puts spans around `bus`, which publishes to this destination.
    #[must_use]
    pub fn new(bus: Arc<dyn EventBus>, to: Destination) -> Self {
        Self { bus, to }
    }

    fn begin(&self, window: &[CouponIssued]) -> Option<TraceSpan> {
        let traces = window.iter().filter_map(|event| event.traceparent.as_ref());
        let work = TraceSpan::for_all(TraceSpanKind::Producer, &format!("publish {}", self.to.name), traces)?;
        self.to.describe(&work, "publish", "send");
        work.set("messaging.batch.message_count", count(window.len()));
        Some(work)
    }
}

/// The window with each traced event as a continuation of its publishing, and not of the request itself.
fn continued(window: &[CouponIssued], work: &TraceSpan) -> Vec<CouponIssued> {
    let mut window = window.to_vec();
    for sent in work.traceparents() {
        // A trace has one span of the window, which continues all that it has there.
        let trace = trace_of(&sent).to_owned();
        let same =
            |event: &&mut CouponIssued| event.traceparent.as_ref().is_some_and(|has| trace_of(has) == trace);
        for event in window.iter_mut().filter(same) {
            event.traceparent = Some(sent.clone());
        }
    }
    window
}

/// The version and the trace, without the span.
fn trace_of(traceparent: &Traceparent) -> &str {
    traceparent.as_str().get(..35).unwrap_or_default()
}

fn kind_of(error: &BusError) -> &'static str {
    match error {
        BusError::Unavailable(_) => "unavailable",
        BusError::Returned(_) => "returned",
        BusError::Refused(_) => "refused",
    }
}

#[async_trait]
impl EventBus for TracedBus {
    async fn publish(&self, window: &[CouponIssued]) -> Result<(), BusError> {
        let Some(work) = self.begin(window) else { return self.bus.publish(window).await };
        let window = continued(window, &work);
        let published = work.run(self.bus.publish(&window)).await;
        if let Err(error) = &published {
            work.failed(kind_of(error), &error.to_string());
        }
        published
    }

    async fn backlog(&self) -> Result<u64, BusError> {
        self.bus.backlog().await
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}
