//! Keeps the last warnings and errors of this process, for the console.

use std::collections::VecDeque;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use crate::clock;
use crate::domain::Timestamp;
use crate::sync::Locked;

const LINES_MAX: usize = 50;
/// Bytes of a line, without the ellipsis that replaces the rest.
const TEXT_MAX: usize = 600;

/// Global like the log itself: one per process.
static RECENT: Locked<VecDeque<LogLine>> = Locked::new(VecDeque::new());

/// A logged warning or error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// False for a warning.
    pub is_error: bool,
    /// The message with its fields.
    pub text: String,
}

/// The last warnings and errors, the latest first.
#[must_use]
pub fn recent_log_lines() -> Vec<LogLine> {
    RECENT.lock().iter().rev().cloned().collect()
}

/// The layer that keeps the lines. Lines of other crates are left out: they are about sockets, not about coupons.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let own = filter_fn(|metadata| metadata.target().starts_with("openrun"));
    Keep.with_filter(own).with_filter(LevelFilter::WARN)
}

struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = LineText::default();
        event.record(&mut line);
        let is_error = *event.metadata().level() == Level::ERROR;
        let mut lines = RECENT.lock();
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(LogLine { at: clock::now(), is_error, text: line.text() });
    }
}

#[derive(Default)]
struct LineText {
    message: String,
    fields: String,
}

impl LineText {
    fn text(self) -> String {
        let mut text = escape::text(&(self.message + &self.fields));
        if text.len() > TEXT_MAX {
            let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

impl Visit for LineText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        // Writing to memory cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::{LINES_MAX, TEXT_MAX, layer, recent_log_lines};

    #[test]
    fn only_the_last_warnings_and_errors_of_openrun_are_kept() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("everything is well");
            tracing::warn!(target: "lapin", "a socket was closed");
            for round in 0..LINES_MAX + 3 {
                tracing::warn!(round, "something is odd");
            }
            tracing::error!(error = "x".repeat(2 * TEXT_MAX), "something broke");
        });
        let lines = recent_log_lines();
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[0].is_error && lines[0].text.starts_with("something broke error="), "{lines:?}");
        assert!(lines[0].text.len() <= TEXT_MAX + '…'.len_utf8());
        assert_eq!(lines[1].text, format!("something is odd round={}", LINES_MAX + 2));
        assert!(lines.iter().skip(1).all(|line| line.text.starts_with("something is odd")));
    }
}
