//! The written log: escapes, colours and filters.

use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use super::{DEMO_FILTER, LogFormat, MIGRATE_FILTER, SERVE_FILTER, lines_to};

/// Has a line break, a colour, a bell, a C1 control, a line separator, a reordering mark and a character beyond 16 bits.
const HOSTILE: &str = "kim\n\u{1b}[31m\u{7}\u{9b}\u{2028}\u{202e}\u{e0001} 김 \"x\"";

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log lines of `body`.
fn log_of(format: LogFormat, in_colour: bool, filter: &str, body: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let lines = lines_to(move || writer.clone(), format, in_colour);
    let filter = EnvFilter::try_new(filter).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(lines), body);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn log_hostile_text() {
    tracing::warn!(error = %HOSTILE, text = HOSTILE, "received {HOSTILE}");
}

#[test]
fn unprintable_characters_of_fields_are_escaped() {
    for in_colour in [false, true] {
        let log = log_of(LogFormat::Pretty, in_colour, "info", log_hostile_text);
        let line = log.strip_suffix('\n').unwrap();
        assert!(in_colour || line.contains(" error=kim"), "{log}");
        assert!(line.contains(r"kim\n\u{1b}[31m\u{7}\u{9b}\u{2028}\u{202e}\u{e0001} 김"), "{log}");
        let is_allowed = |c: char| crate::domain::is_printable(c) || in_colour && c == '\u{1b}';
        assert!(line.chars().all(is_allowed), "{line:?}");
        assert!(!line.contains("\u{1b}[31m"), "the colour of a field: {line:?}");
        assert_eq!(line.contains('\u{1b}'), in_colour, "{line:?}");
    }
}

#[test]
fn escaping_keeps_json_and_its_values() {
    let log = log_of(LogFormat::Json, false, "info", log_hostile_text);
    let line = log.strip_suffix('\n').unwrap();
    assert!(line.chars().all(crate::domain::is_printable), "{line:?}");
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(json["fields"]["error"], HOSTILE, "{line}");
    assert_eq!(json["fields"]["text"], HOSTILE, "{line}");
}

#[test]
fn noisy_lines_of_other_crates_are_filtered_out() {
    let body = || {
        tracing::warn!(target: "sqlx::query", "slow statement: execution time exceeded alert threshold");
        tracing::warn!(target: "sqlx::pool::acquire", "acquired connection, but time to acquire exceeded slow threshold");
        tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error: invalid Header provided");
        tracing::warn!(target: "openrun::actors", "a line of openrun");
    };
    for filter in [SERVE_FILTER, DEMO_FILTER, MIGRATE_FILTER] {
        let log = log_of(LogFormat::Pretty, false, filter, body);
        assert!(log.lines().count() == 1 && log.contains("a line of openrun"), "{filter}: {log}");
    }
    assert_eq!(log_of(LogFormat::Pretty, false, "info", body).lines().count(), 4, "the filter causes it");
}
