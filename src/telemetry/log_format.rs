//! The form of a log line: with the trace that it belongs to, and nothing in it that does not show.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use tracing::field::Field;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use super::traces::trace_id_here;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line, for machines.
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

/// Writes one field of a line for people.
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

/// Adds the trace to what `F` writes, and escapes what a field may have brought in.
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
            // Its fields are escaped one by one, so that colours stay.
            LogFormat::Pretty => Cow::Borrowed(line),
            LogFormat::Json => Cow::Owned(escape::json(line)),
        };
        let Some(trace) = trace_id_here() else { return writeln!(writer, "{line}") };
        match (self.format, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => writeln!(writer, "{{\"trace_id\":\"{trace}\",{rest}"),
            _ => writeln!(writer, "{line} trace_id={trace}"),
        }
    }
}
