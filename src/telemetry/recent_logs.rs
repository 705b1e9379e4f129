//! The last warnings and errors of this process, for operators who look at the console and not at the log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape;

/// How many are kept.
const KEPT: usize = 50;
/// The most bytes of one.
const TEXT_MAX: usize = 600;

/// The process has one log, and so one list of what went wrong in it.
static TROUBLES: Mutex<VecDeque<LogLine>> = Mutex::new(VecDeque::new());

/// A warning or an error as it was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: SystemTime,
    /// Whether it was an error, and not a warning.
    pub is_error: bool,
    /// What was said, with its fields.
    pub text: String,
}

/// The last warnings and errors that were logged, the latest first.
#[must_use]
pub fn recent_log_lines() -> Vec<LogLine> {
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

/// What keeps them. Lines of other crates are left to the log: they speak of sockets, not of coupons.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let own = filter_fn(|metadata| metadata.target().starts_with("openrun"));
    Keep.with_filter(own).with_filter(LevelFilter::WARN)
}

struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        keep(LogLine {
            at: SystemTime::now(),
            is_error: *event.metadata().level() == Level::ERROR,
            text: said.text(),
        });
    }
}

fn keep(trouble: LogLine) {
    let mut recent_logs = TROUBLES.lock().unwrap_or_else(PoisonError::into_inner);
    if recent_logs.len() == KEPT {
        recent_logs.pop_front();
    }
    recent_logs.push_back(trouble);
}

/// The message and the fields of a line.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Said {
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

impl Visit for Said {
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

    use super::{KEPT, TEXT_MAX, layer, recent_log_lines};

    #[test]
    fn the_last_warnings_and_errors_are_kept_the_latest_first_and_nothing_else() {
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("everything is well");
            tracing::warn!(target: "lapin", "a socket was closed");
            for round in 0..KEPT + 3 {
                tracing::warn!(round, "something is odd");
            }
            tracing::error!(error = "x".repeat(2 * TEXT_MAX), "something broke");
        });
        let recent_logs = recent_log_lines();
        assert_eq!(recent_logs.len(), KEPT);
        assert!(
            recent_logs[0].is_error && recent_logs[0].text.starts_with("something broke error="),
            "{recent_logs:?}"
        );
        assert!(recent_logs[0].text.len() <= TEXT_MAX + '…'.len_utf8());
        assert_eq!(recent_logs[1].text, format!("something is odd round={}", KEPT + 2));
        assert!(recent_logs.iter().skip(1).all(|trouble| trouble.text.starts_with("something is odd")));
    }
}
