//! Sends spans to the collector, with a time limit, and logs the first of several failures only.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol as OtlpProtocol, SpanExporter as OtlpExporter, WithExportConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::counts::{DELIVERED, LOST};
use super::settings::{Protocol, TraceSettings};

/// Time limit of one delivery, also if the client underneath allows more.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Delivery {
    exporter: OtlpExporter,
    /// Runs the client's connections and timers: the SDK exports on a thread without a runtime.
    runtime: Handle,
    failing: AtomicBool,
}

impl Delivery {
    /// Must be called inside the runtime that is to run the connections.
    pub(super) fn new(settings: &TraceSettings) -> Result<Self, ExporterBuildError> {
        let builder = OtlpExporter::builder();
        let exporter = match settings.protocol {
            Protocol::Http => builder
                .with_http()
                .with_protocol(OtlpProtocol::HttpBinary)
                .with_endpoint(&*settings.endpoint)
                .build()?,
            Protocol::Grpc if settings.endpoint.starts_with("https:") => builder
                .with_tonic()
                .with_endpoint(&*settings.endpoint)
                .with_tls_config(ClientTlsConfig::new().with_native_roots())
                .build()?,
            Protocol::Grpc => builder.with_tonic().with_endpoint(&*settings.endpoint).build()?,
        };
        Ok(Self { exporter, runtime: Handle::current(), failing: AtomicBool::new(false) })
    }

    /// Logs when deliveries begin to fail, and when they succeed again.
    fn log_change(&self, result: &OTelSdkResult) {
        let was_failing = self.failing.swap(result.is_err(), Ordering::AcqRel);
        match result {
            Ok(()) if was_failing => tracing::info!("traces are delivered again"),
            Err(error) if !was_failing => tracing::warn!(
                %error, "traces cannot be delivered: spans are dropped until the collector accepts them again"
            ),
            _ => {}
        }
    }
}

impl SpanExporter for Delivery {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let bounded = async { timeout(DELIVERY_TIMEOUT, self.exporter.export(batch)).await };
        let result = run_inside(&self.runtime, bounded).await;
        let result = result.unwrap_or(Err(OTelSdkError::Timeout(DELIVERY_TIMEOUT)));
        if result.is_ok() { &DELIVERED } else { &LOST }.inc_by(count);
        self.log_change(&result);
        result
    }

    fn shutdown_with_timeout(&self, bound: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(bound)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Runs `future` on this thread with the timers and connections of `runtime`.
async fn run_inside<F: Future>(runtime: &Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _inside = runtime.enter();
        future.as_mut().poll(context)
    })
    .await
}
