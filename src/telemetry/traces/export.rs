//! Sending spans away: on threads of its own, within bounds, and without a word for every failure.

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

/// How long one delivery may take, whatever the client below would allow itself.
const DELIVERY_BOUND: Duration = Duration::from_secs(15);

/// Delivers spans, and says once that it cannot.
#[derive(Debug)]
pub(super) struct Delivery {
    exporter: OtlpExporter,
    /// Where the clients' connections live: the thread that hands spans over has no runtime.
    runtime: Handle,
    failing: AtomicBool,
}

impl Delivery {
    /// Must be called inside the runtime.
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

    fn note(&self, sent: &OTelSdkResult) {
        match sent {
            Ok(()) => {
                if self.failing.swap(false, Ordering::AcqRel) {
                    tracing::info!("traces are delivered again");
                }
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "traces cannot be delivered and are dropped; nothing waits for them");
                }
            }
        }
    }
}

impl SpanExporter for Delivery {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let bounded = async { timeout(DELIVERY_BOUND, self.exporter.export(batch)).await };
        let sent = inside(&self.runtime, bounded).await;
        let sent = sent.unwrap_or(Err(OTelSdkError::Timeout(DELIVERY_BOUND)));
        if sent.is_ok() { &DELIVERED } else { &LOST }.inc_by(count);
        self.note(&sent);
        sent
    }

    fn shutdown_with_timeout(&self, bound: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(bound)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Runs `future` on this thread, but with the timers and connections of `runtime`.
async fn inside<F: Future>(runtime: &Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _inside = runtime.enter();
        future.as_mut().poll(context)
    })
    .await
}
