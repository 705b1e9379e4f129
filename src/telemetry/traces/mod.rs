//! Traces by OpenTelemetry: sampling, spans, and their export.
//!
//! The collector may be down, slow or wrong: requests never wait for it. Spans go into a bounded queue, which drops spans
//! when it is full; separate threads send them.

mod context;
mod counts;
mod database_call;
mod destination;
mod export;
mod sampler;
mod settings;
mod trace_span;
mod variables;

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler as SdkSampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Runtime;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use self::context::PresetIds;
use self::counts::CountingProcessor;
pub(super) use self::counts::span_counters;
pub use self::database_call::DatabaseCall;
pub use self::destination::Destination;
use self::export::Delivery;
use self::sampler::Sampler;
pub use self::settings::{RawTraceSettings, TraceSettings, TraceSettingsError};
pub(super) use self::trace_span::current_trace_id;
pub use self::trace_span::{TraceSpan, TraceSpanKind, run_in};

/// Default of `OTEL_SERVICE_NAME`.
const SERVICE: &str = "openrun";
/// How long the end of the process waits until the last spans are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Unset if tracing is off. Reading it is then the only cost of tracing.
static SAMPLER: OnceLock<Sampler> = OnceLock::new();

fn sampler() -> Option<Sampler> {
    SAMPLER.get().copied()
}

/// Whether any request may be traced.
#[must_use]
pub fn is_tracing() -> bool {
    SAMPLER.get().is_some()
}

/// Exports spans until it is dropped. Dropping it sends the remaining spans, for at most two seconds.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    /// `None` during the drop only.
    runtime: Option<Runtime>,
}

impl Traces {
    /// Starts sampling and exporting.
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, String> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("openrun-traces")
            .enable_all()
            .build();
        let runtime = threads.map_err(|error| format!("cannot start threads ({error})"))?;
        let delivery = {
            let _inside = runtime.enter();
            Delivery::new(settings).map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?
        };
        let provider = SdkTracerProvider::builder()
            // Our own sampler has decided before a span is created.
            .with_sampler(SdkSampler::AlwaysOn)
            .with_id_generator(PresetIds::default())
            .with_resource(resource(settings))
            .with_span_processor(CountingProcessor(BatchSpanProcessor::builder(delivery).build()))
            .build();
        // Fails if tracing was started already, as in tests of one process.
        let _already = SAMPLER.set(settings.sampler);
        Ok(Self { provider, runtime: Some(runtime) })
    }

    /// The layer that turns `tracing` spans of openrun into OpenTelemetry spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer: SdkTracer = self.provider.tracer(SERVICE);
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == trace_span::TARGET);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let provider = self.provider.clone();
        let (done, ended) = mpsc::channel();
        // On a thread of its own, because the SDK does not guarantee its timeout.
        let flushing = std::thread::Builder::new().spawn(move || {
            let all_sent = provider.shutdown_with_timeout(FLUSH_TIMEOUT).is_ok();
            done.send(all_sent).ok();
        });
        let all_sent = flushing.is_ok() && ended.recv_timeout(FLUSH_TIMEOUT).unwrap_or(false);
        if !all_sent {
            tracing::warn!(
                "the last traces could not be delivered before the process ends; they are dropped"
            );
        }
        let runtime = self.runtime.take();
        if all_sent {
            runtime.into_iter().for_each(Runtime::shutdown_background);
        } else {
            // The SDK's thread may still be exporting and would panic without the timers of this runtime. Leaking is
            // harmless: the process ends.
            std::mem::forget(runtime);
        }
    }
}

fn resource(settings: &TraceSettings) -> Resource {
    let pair = |(key, value): &(String, String)| opentelemetry::KeyValue::new(key.clone(), value.clone());
    let mut attributes: Vec<_> = settings.resource.iter().map(pair).collect();
    let is_named = settings.resource.iter().any(|(key, _)| key == settings::SERVICE_NAME);
    if !is_named {
        attributes.push(opentelemetry::KeyValue::new(settings::SERVICE_NAME, SERVICE));
    }
    attributes.push(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    Resource::builder().with_attributes(attributes).build()
}
