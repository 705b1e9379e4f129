//! Work that is done for one traced request or for several at once, and the spans that tell of it.
//!
//! A batch, a window of messages and an insert serve many requests, each of which has a trace of its own. So that each of these
//! is whole, the work has a span in every one of them: the first is the lead and has links to what the work is done for,
//! the others have a link to the lead. Nothing of this is made for requests that are not traced.

use std::sync::Arc;

use opentelemetry::trace::{SpanContext, Status, TraceContextExt as _, TraceId};
use opentelemetry::{Context, Value};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::context;
use super::sampler::Sampler;
use crate::domain::Traceparent;

/// The target of all spans, by which they are told from what other crates tell about themselves.
pub(super) const TARGET: &str = "openrun::spans";

/// The most traces in which one piece of work has a span. Those beyond it lack that span and nothing else.
pub const MAX_TRACES: usize = 32;

tokio::task_local! {
    static HERE: TraceSpan;
}

/// What a span is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceSpanKind {
    /// Answers somebody who waits.
    Server,
    /// Asks somebody and waits.
    Client,
    /// Sends what is worked on later.
    Producer,
    /// Works on what was sent.
    Consumer,
    /// None of these.
    Internal,
}

impl TraceSpanKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Internal => "internal",
        }
    }
}

/// One piece of work, with a span in each of the traces that it is done for. It ends with its last clone.
#[derive(Debug, Clone)]
pub struct TraceSpan(Arc<[Traced]>);

#[derive(Debug)]
struct Traced {
    span: Span,
    context: SpanContext,
}

/// What a span is a part of.
enum Parent {
    /// Nothing: a trace of this id begins with it.
    None(TraceId),
    Span(SpanContext),
}

impl TraceSpan {
    /// The work of answering a request that came with this `traceparent`, if it is to be traced.
    #[must_use]
    pub fn of_request(name: &str, traceparent: Option<&str>) -> Option<Self> {
        let sampler = super::sampler()?;
        let parent = parent_of_request(sampler, traceparent)?;
        Self::begin(TraceSpanKind::Server, name, &[parent], false)
    }

    /// Work that is done for all of these, if any of them is traced.
    #[must_use]
    pub fn for_all<'a>(
        kind: TraceSpanKind,
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
        let traced = traceparents.into_iter().filter(|parent| sampler.takes(parent)).map(context::parent);
        let traced = traced.filter(|parent| is_new(parent.trace_id())).take(MAX_TRACES);
        let parents: Vec<_> = traced.map(Parent::Span).collect();
        Self::begin(kind, name, &parents, true)
    }

    /// The work that is being done by this task, if it is traced.
    #[must_use]
    pub fn here() -> Option<Self> {
        super::sampler()?;
        HERE.try_with(Clone::clone).ok()
    }

    /// A step of this work.
    #[must_use]
    pub fn step(&self, kind: TraceSpanKind, name: &str) -> Option<Self> {
        let parents: Vec<_> = self.0.iter().map(|traced| Parent::Span(traced.context.clone())).collect();
        Self::begin(kind, name, &parents, false)
    }

    fn begin(kind: TraceSpanKind, name: &str, parents: &[Parent], links_to_parents: bool) -> Option<Self> {
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

    /// Gives it another name, where the right one is only known at the end.
    pub fn rename(&self, name: &str) {
        for traced in &*self.0 {
            // Recording the field would come too late for a span that has begun.
            traced.span.context().span().update_name(name.to_owned());
        }
    }

    /// Notes something about it, by a name of the semantic conventions.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        for traced in &*self.0 {
            traced.span.set_attribute(key, value.clone());
        }
    }

    /// Says that it failed: `kind` is a word that failures of this kind have in common, `why` a sentence.
    pub fn failed(&self, kind: impl Into<Value>, why: &str) {
        self.note("error.type", kind);
        for traced in &*self.0 {
            traced.span.set_status(Status::error(why.to_owned()));
        }
    }

    /// What to send along with whatever continues the lead.
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        self.traceparents().next()
    }

    /// What to send along with whatever continues each, in the order in which they were given.
    pub fn traceparents(&self) -> impl Iterator<Item = Traceparent> {
        self.0.iter().filter_map(|traced| context::traceparent(&traced.context))
    }

    /// Runs `body` as this work: its steps and its log lines belong to it.
    pub async fn run<T>(&self, body: impl Future<Output = T>) -> T {
        HERE.scope(self.clone(), body).await
    }
}

/// Runs `body` as this work, if there is any.
pub async fn run_as<T>(work: Option<&TraceSpan>, body: impl Future<Output = T>) -> T {
    match work {
        Some(work) => work.run(body).await,
        None => body.await,
    }
}

/// The trace that a log line written now belongs to.
pub(in crate::telemetry) fn trace_id_here() -> Option<TraceId> {
    super::sampler()?;
    HERE.try_with(|work| work.0.first().map(|lead| lead.context.trace_id())).ok().flatten()
}

impl Traced {
    /// `None` if spans go nowhere, because the log was begun by somebody else.
    fn start(
        kind: TraceSpanKind,
        name: &str,
        parent: &Parent,
        links: impl IntoIterator<Item = SpanContext>,
    ) -> Option<Self> {
        let span = tracing::info_span!(
            target: TARGET, parent: None, "work", otel.name = name, otel.kind = kind.as_str()
        );
        match parent {
            Parent::None(trace) => context::begin_with(*trace),
            Parent::Span(context) => {
                span.set_parent(Context::new().with_remote_span_context(context.clone())).ok()?;
            }
        }
        for link in links {
            span.add_link(link);
        }
        // Begins it.
        let context = span.context().span().span_context().clone();
        context.is_valid().then_some(Self { span, context })
    }
}

fn parent_of_request(sampler: Sampler, traceparent: Option<&str>) -> Option<Parent> {
    match traceparent.and_then(Traceparent::parse) {
        Some(parent) => sampler.takes(&parent).then(|| Parent::Span(context::parent(&parent))),
        None if sampler.begins_any() => {
            let trace = context::draw();
            sampler.takes_new(trace).then_some(Parent::None(trace))
        }
        None => None,
    }
}
