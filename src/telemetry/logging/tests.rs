//! What stands in the log, as it is written.

use std::sync::{Arc, Mutex};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use super::{DEMO_FILTER, LogFormat, MIGRATE_FILTER, SERVE_FILTER, lines_to};

/// Ends a line, colours it, rings, is C1, breaks a line in some viewers, reorders what follows, and is beyond 16 bits.
const NASTY: &str = "kim\n\u{1b}[31m\u{7}\u{9b}\u{2028}\u{202e}\u{e0001} 김 \"x\"";

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written while `say` speaks.
fn written(format: LogFormat, in_colour: bool, filter: &str, say: impl FnOnce()) -> String {
    let paper = Paper::default();
    let writer = paper.clone();
    let lines = lines_to(move || writer.clone(), format, in_colour);
    let filter = EnvFilter::try_new(filter).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filter).with(lines), say);
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn say_nasty_things() {
    tracing::warn!(error = %NASTY, text = NASTY, "somebody said {NASTY}");
}

#[test]
fn nothing_that_a_field_says_ends_a_line_or_hides_in_it() {
    for in_colour in [false, true] {
        let log = written(LogFormat::Pretty, in_colour, "info", say_nasty_things);
        let line = log.strip_suffix('\n').unwrap();
        assert!(in_colour || line.contains(" error=kim"), "{log}");
        assert!(line.contains(r"kim\n\u{1b}[31m\u{7}\u{9b}\u{2028}\u{202e}\u{e0001} 김"), "{log}");
        let shows = |c: char| crate::domain::is_printable(c) || in_colour && c == '\u{1b}';
        assert!(line.chars().all(shows), "{line:?}");
        assert!(!line.contains("\u{1b}[31m"), "a colour that a field chose: {line:?}");
        assert_eq!(line.contains('\u{1b}'), in_colour, "{line:?}");
    }
}

#[test]
fn json_stays_json_and_its_texts_stay_what_they_are() {
    let log = written(LogFormat::Json, false, "info", say_nasty_things);
    let line = log.strip_suffix('\n').unwrap();
    assert!(line.chars().all(crate::domain::is_printable), "{line:?}");
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&json["fields"]["error"], &json["fields"]["text"]), (&NASTY.into(), &NASTY.into()), "{line}");
}

#[test]
fn the_lines_of_others_that_say_too_much_are_not_in_the_log() {
    let say = || {
        tracing::warn!(target: "sqlx::query", "slow statement: execution time exceeded alert threshold");
        tracing::warn!(target: "sqlx::pool::acquire", "acquired connection, but time to acquire exceeded slow threshold");
        tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error: invalid Header provided");
        tracing::warn!(target: "openrun::actors", "this is ours");
    };
    for filter in [SERVE_FILTER, DEMO_FILTER, MIGRATE_FILTER] {
        let log = written(LogFormat::Pretty, false, filter, say);
        assert!(log.lines().count() == 1 && log.contains("this is ours"), "{filter}: {log}");
    }
    assert_eq!(
        written(LogFormat::Pretty, false, "info", say).lines().count(),
        4,
        "without a filter all are there"
    );
}
