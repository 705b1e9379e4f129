//! Traces by OpenTelemetry: which requests, what is told of them, and how it leaves the node.
//!
//! Telemetry may be down, slow or wrong: nothing waits for it. Spans go into a bounded queue that drops what does not fit,
//! and are sent by threads of their own.

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

use self::context::DrawnIds;
use self::counts::Counted;
pub(super) use self::counts::span_counters;
pub use self::database_call::DatabaseCall;
pub use self::destination::Destination;
use self::export::Delivery;
use self::sampler::Sampler;
pub use self::settings::{RawTraceSettings, TraceSettings, TraceSettingsError};
pub(super) use self::trace_span::trace_id_here;
pub use self::trace_span::{MAX_TRACES, TraceSpan, TraceSpanKind, run_as};

/// What the service is called unless it is told another name.
const SERVICE: &str = "openrun";
/// How long the end of a node waits for the last spans to be sent.
const END_BOUND: Duration = Duration::from_secs(2);

/// How requests are chosen; absent while nothing is traced, which is then all that anybody looks at.
static SAMPLER: OnceLock<Sampler> = OnceLock::new();

fn sampler() -> Option<Sampler> {
    SAMPLER.get().copied()
}

/// Whether any request may be traced.
#[must_use]
pub fn is_tracing() -> bool {
    SAMPLER.get().is_some()
}

/// What is sent while it lives. Dropping it sends the rest, for at most two seconds.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    /// Taken at the end.
    runtime: Option<Runtime>,
}

impl Traces {
    /// Begins to send, and to choose requests.
    pub(super) fn begin(settings: &TraceSettings) -> Result<Self, String> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("openrun-traces")
            .enable_all()
            .build();
        let runtime = threads.map_err(|error| format!("no threads can be started ({error})"))?;
        let delivery = {
            let _inside = runtime.enter();
            Delivery::new(settings).map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?
        };
        let provider = SdkTracerProvider::builder()
            // What is not chosen never comes here.
            .with_sampler(SdkSampler::AlwaysOn)
            .with_id_generator(DrawnIds::default())
            .with_resource(resource(settings))
            .with_span_processor(Counted(BatchSpanProcessor::builder(delivery).build()))
            .build();
        // A second call, as tests in one process make, keeps the first.
        let _already = SAMPLER.set(settings.sampler);
        Ok(Self { provider, runtime: Some(runtime) })
    }

    /// What takes spans from the code.
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
        // On a thread of its own, because nobody promises that it keeps to its bound.
        let flushing = std::thread::Builder::new().spawn(move || {
            let all_sent = provider.shutdown_with_timeout(END_BOUND).is_ok();
            done.send(all_sent).ok();
        });
        let all_sent = flushing.is_ok() && ended.recv_timeout(END_BOUND).unwrap_or(false);
        if !all_sent {
            tracing::warn!("the last traces could not be delivered in time and are dropped");
        }
        let runtime = self.runtime.take();
        if all_sent {
            runtime.into_iter().for_each(Runtime::shutdown_background);
        } else {
            // Whoever still tries to send asks it for timers, and would panic without it. The process ends anyhow.
            std::mem::forget(runtime);
        }
    }
}

fn resource(settings: &TraceSettings) -> Resource {
    let pair = |(key, value): &(String, String)| opentelemetry::KeyValue::new(key.clone(), value.clone());
    let mut described: Vec<_> = settings.resource.iter().map(pair).collect();
    let is_named = settings.resource.iter().any(|(key, _)| key == settings::SERVICE_NAME);
    if !is_named {
        described.push(opentelemetry::KeyValue::new(settings::SERVICE_NAME, SERVICE));
    }
    described.push(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    Resource::builder().with_attributes(described).build()
}
