//! Escapes texts from outside for log lines: they must not end the line, move the cursor or reorder text. The formatters
//! of `tracing_subscriber` escape some characters in some fields only.

use std::fmt::Write as _;

use crate::domain::is_printable;

/// `text` with Rust's escapes for unprintable characters.
pub(super) fn text(text: &str) -> String {
    escaped(text, |safe, c| safe.extend(c.escape_default()))
}

/// The same JSON value, with JSON's escapes for unprintable characters.
pub(super) fn json(json: &str) -> String {
    escaped(json, |safe, c| {
        // Characters beyond 16 bits need two escapes. Writing to memory cannot fail.
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(safe, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, escape: impl Fn(&mut String, char)) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) { safe.push(c) } else { escape(&mut safe, c) }
    }
    safe
}
