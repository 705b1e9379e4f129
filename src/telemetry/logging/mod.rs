//! Log lines: one a decision worth reading, on standard error, never with a secret.

use std::io::IsTerminal as _;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use super::log_format::{LogFormat, WithTrace, write_field};
use super::traces::{TraceSettings, Traces};

/// What is logged of `serve` unless told otherwise. Others' lines are left out where the service says the same in its own
/// words, or where anybody could write them: sqlx shows statements whole, actix-http reports what is no request as an
/// error, and lapin every socket.
pub const SERVE_FILTER: &str = "info,lapin=off,actix_server=warn,actix_http=off,sqlx=off";
/// What is logged of `demo`, whose picture lines would disturb.
pub const DEMO_FILTER: &str = "warn,lapin=off,actix_http=off,sqlx=off";
/// What is logged of `migrate`.
pub const MIGRATE_FILTER: &str = "info,actix_http=off,sqlx=off";

/// Begins to write log lines as `filter` says (such as `info` or `openrun=debug,lapin=warn`), and to trace if there are
/// settings for it.
///
/// # Errors
/// A sentence if the filter cannot be read, or nothing could be sent to where traces are to go.
pub fn init(
    format: LogFormat,
    filter: &str,
    traces: Option<&TraceSettings>,
) -> Result<Option<Traces>, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("the log filter '{filter}': {error}"))?;
    let Some(traces) = traces else {
        // A second call, as tests in one process make, keeps the first.
        let registry = tracing_subscriber::registry().with(filter).with(super::recent_logs::layer());
        let _already = registry.with(lines(format)).try_init();
        return Ok(None);
    };
    let traces = Traces::begin(traces)?;
    // A span is a trace's, whatever the log is told to leave out; and no line repeats what its span says.
    let events = filter_fn(is_event).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines(format).with_filter(filter.and(events));
    let _already = tracing_subscriber::registry()
        .with(lines)
        .with(super::recent_logs::layer())
        .with(traces.layer())
        .try_init();
    Ok(Some(traces))
}

fn is_event(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
}

/// What writes the lines.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    lines_to(std::io::stderr, format, std::io::stderr().is_terminal())
}

fn lines_to<S, W>(writer: W, format: LogFormat, in_colour: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Pretty => {
            let line = fmt::format().with_target(false).with_ansi(in_colour);
            let fields = fmt::format::debug_fn(write_field).delimited(" ");
            layer.fmt_fields(fields).event_format(WithTrace { line, format }).boxed()
        }
        LogFormat::Json => {
            let fields = fmt::format::JsonFields::new();
            layer.fmt_fields(fields).event_format(WithTrace { line: fmt::format().json(), format }).boxed()
        }
    }
}

#[cfg(test)]
mod tests;
