//! Sets up logging to standard error, and tracing.

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

/// Default filter of `serve`. Crates are left out if openrun logs the same event itself, or if clients could fill the log:
/// sqlx logs whole statements, actix-http each malformed request as an error, and lapin every socket.
pub const SERVE_FILTER: &str = "info,lapin=off,actix_server=warn,actix_http=off,sqlx=off";
/// Default filter of `demo`: warnings only, because lines would break its progress bar.
pub const DEMO_FILTER: &str = "warn,lapin=off,actix_http=off,sqlx=off";
pub const MIGRATE_FILTER: &str = "info,actix_http=off,sqlx=off";

/// Starts logging by `filter`, such as `info` or `openrun=debug,lapin=warn`, and tracing if it has settings. The error is
/// a sentence about the filter or about the endpoint of traces.
pub fn init(
    format: LogFormat,
    filter: &str,
    traces: Option<&TraceSettings>,
) -> Result<Option<Traces>, String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("the log filter '{filter}': {error}"))?;
    let Some(traces) = traces else {
        // Fails if logging is set up already, as in tests of one process.
        let registry = tracing_subscriber::registry().with(filter).with(super::recent_logs::layer());
        let _already = registry.with(lines(format)).try_init();
        return Ok(None);
    };
    let traces = Traces::start(traces)?;
    // The filter applies to log lines only, not to spans; and log lines do not repeat the fields of spans.
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
