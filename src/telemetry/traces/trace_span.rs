//! The spans of work that is done for one or several traced requests.
//!
//! A batch, a publish batch and an insert serve many requests, each with a trace of its own. So that every trace is complete,
//! such work has a span in each of them. The first span is the lead: it has links to the spans of the other requests, and
//! their spans of this work have a link to the lead. Untraced requests cost nothing.

use std::sync::Arc;

pub use opentelemetry::trace::SpanKind as TraceSpanKind;
use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _, TraceId};
use opentelemetry::{Context, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::context;
use super::sampler::Sampler;
use crate::domain::Traceparent;

/// The target of all spans of openrun; spans of other crates are not exported.
pub(super) const TARGET: &str = "openrun::spans";

/// Limit of the spans of one piece of work. Traces beyond it lack this span only.
const MAX_TRACES: usize = 32;

tokio::task_local! {
    static CURRENT: TraceSpan;
}

/// The spans of one piece of work, one in each trace. They end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct TraceSpan(Arc<[Traced]>);

#[derive(Debug)]
struct Traced {
    span: Span,
    context: SpanContext,
}

enum Parent {
    /// The span begins a new trace with this id.
    None(TraceId),
    Span(SpanContext),
}

impl TraceSpan {
    /// Starts the span of a request with this `traceparent` header, if the sampler chooses it.
    #[must_use]
    pub fn of_request(name: &str, traceparent: Option<&str>) -> Option<Self> {
        let sampler = super::sampler()?;
        let parent = parent_of_request(sampler, traceparent)?;
        Self::start(&TraceSpanKind::Server, name, &[parent], false)
    }

    /// Starts a span in each of these traces; `None` if none of them is sampled.
    #[must_use]
    pub fn for_all<'a>(
        kind: &TraceSpanKind,
        name: &str,
        traceparents: impl IntoIterator<Item = &'a Traceparent>,
    ) -> Option<Self> {
        let sampler = super::sampler()?;
        let mut traces = Vec::new();
        let mut is_new = |trace: TraceId| {
            !traces.contains(&trace) && {
                traces.push(trace);
                true
            }
        };
        let traced = traceparents.into_iter().filter(|parent| sampler.samples(parent)).map(context::parent);
        let traced = traced.filter(|parent| is_new(parent.trace_id())).take(MAX_TRACES);
        let parents: Vec<_> = traced.map(Parent::Span).collect();
        Self::start(kind, name, &parents, true)
    }

    /// The span of the present task, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        super::sampler()?;
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Starts a child span.
    #[must_use]
    pub fn child(&self, kind: &TraceSpanKind, name: &str) -> Option<Self> {
        let parents: Vec<_> = self.0.iter().map(|traced| Parent::Span(traced.context.clone())).collect();
        Self::start(kind, name, &parents, false)
    }

    fn start(kind: &TraceSpanKind, name: &str, parents: &[Parent], links_to_parents: bool) -> Option<Self> {
        let (first, others) = parents.split_first()?;
        let linked = others.iter().filter(|_| links_to_parents).filter_map(|parent| match parent {
            Parent::Span(context) => Some(context.clone()),
            Parent::None(_) => None,
        });
        let lead = Traced::start(kind, name, first, linked)?;
        let link = lead.context.clone();
        let rest = others.iter().filter_map(|parent| Traced::start(kind, name, parent, [link.clone()]));
        let rest: Vec<_> = rest.collect();
        Some(Self(std::iter::once(lead).chain(rest).collect()))
    }

    /// Renames the span, for names that are known at the end only.
    pub fn rename(&self, name: &str) {
        for traced in &*self.0 {
            // `otel.name` is read at the start of a span only.
            traced.span.context().span().update_name(name.to_owned());
        }
    }

    /// Sets an attribute.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        for traced in &*self.0 {
            traced.span.set_attribute(key, value.clone());
        }
    }

    /// Marks the span as failed: `kind` is a short code of the failure, `why` a sentence.
    pub fn failed(&self, kind: impl Into<Value>, why: &str) {
        self.set("error.type", kind);
        for traced in &*self.0 {
            traced.span.set_status(Status::error(why.to_owned()));
        }
    }

    /// The context to send along with work that continues the lead.
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        self.traceparents().next()
    }

    /// The context of each span, in the order in which they were given.
    pub fn traceparents(&self) -> impl Iterator<Item = Traceparent> {
        self.0.iter().filter_map(|traced| context::traceparent(&traced.context))
    }

    /// Runs `body` with this as the current span: child spans and log lines of `body` belong to it.
    pub async fn run<T>(&self, body: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), body).await
    }
}

/// Runs `body` in `span`, if there is one.
pub async fn run_in<T>(span: Option<&TraceSpan>, body: impl Future<Output = T>) -> T {
    match span {
        Some(span) => span.run(body).await,
        None => body.await,
    }
}

/// The trace of the current span, for log lines.
pub(in crate::telemetry) fn current_trace_id() -> Option<TraceId> {
    super::sampler()?;
    CURRENT.try_with(|span| span.0.first().map(|lead| lead.context.trace_id())).ok().flatten()
}

impl Traced {
    /// `None` if the process has another subscriber, which does not export spans.
    fn start(
        kind: &TraceSpanKind,
        name: &str,
        parent: &Parent,
        links: impl IntoIterator<Item = SpanContext>,
    ) -> Option<Self> {
        let span = tracing::info_span!(
            target: TARGET, parent: None, "work", otel.name = name, otel.kind = ?kind
        );
        match parent {
            Parent::None(trace) => context::preset_trace_id(*trace),
            Parent::Span(context) => {
                span.set_parent(Context::new().with_remote_span_context(context.clone())).ok()?;
            }
        }
        for link in links {
            span.add_link(link);
        }
        // Reading the context starts the OpenTelemetry span.
        let context = span.context().span().span_context().clone();
        context.is_valid().then_some(Self { span, context })
    }
}

fn parent_of_request(sampler: Sampler, traceparent: Option<&str>) -> Option<Parent> {
    match traceparent.and_then(Traceparent::parse) {
        Some(parent) => sampler.samples(&parent).then(|| Parent::Span(context::parent(&parent))),
        None if sampler.may_sample_new() => {
            let trace = context::random_trace_id();
            sampler.samples_new(trace).then_some(Parent::None(trace))
        }
        None => None,
    }
}
