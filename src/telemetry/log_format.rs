//! The format of a log line: with its trace id, and with unprintable characters escaped.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use tracing::field::Field;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use super::traces::current_trace_id;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For terminals.
    #[default]
    Pretty,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err("a log format is 'pretty' or 'json'".to_owned()),
        }
    }
}

/// Writes one field of a pretty line.
pub(super) fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = escape::text(&format!("{value:?}"));
    match field.name() {
        "message" => write!(writer, "{value}"),
        name if writer.has_ansi_escapes() => {
            write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{value}")
        }
        name => write!(writer, "{name}={value}"),
    }
}

/// Adds the trace id to the line that `F` writes, and escapes unprintable characters of its fields.
pub(super) struct WithTrace<F> {
    pub(super) line: F,
    pub(super) format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let line = match self.format {
            // `write_field` has escaped each field: escaping the whole line would destroy the colours.
            LogFormat::Pretty => Cow::Borrowed(line),
            LogFormat::Json => Cow::Owned(escape::json(line)),
        };
        let Some(trace) = current_trace_id() else { return writeln!(writer, "{line}") };
        match (self.format, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => writeln!(writer, "{{\"trace_id\":\"{trace}\",{rest}"),
            _ => writeln!(writer, "{line} trace_id={trace}"),
        }
    }
}
