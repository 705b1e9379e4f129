//! What others say, as it may stand in a log line: it must not end the line, move the cursor or reorder what is read. The
//! formatters see to that in some fields and for some characters only.

use std::fmt::Write as _;

use crate::domain::is_printable;

/// A text in which every character shows.
pub(super) fn text(text: &str) -> String {
    escaped(text, |safe, c| safe.extend(c.escape_default()))
}

/// JSON in which every character shows, and that means the same.
pub(super) fn json(json: &str) -> String {
    escaped(json, |safe, c| {
        // One escape, or two for a character beyond the 16 bits that one names. Writing to memory cannot fail.
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
