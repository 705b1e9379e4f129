//! Splitting header values at separators outside quoted strings (RFC 9110, section 5.6.4).

/// Whether a scan of a text is inside a quoted string.
#[derive(Default)]
struct QuoteScan {
    quoted: bool,
    escaped: bool,
}

impl QuoteScan {
    /// Steps over `character` and returns whether the scan is outside quotes afterwards.
    fn step(&mut self, character: char) -> bool {
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' if self.quoted => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            _ => {}
        }
        !self.quoted
    }
}

/// The parts of `text` between separators that are outside quoted strings.
pub(super) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut scan = QuoteScan::default();
    text.split(move |character| scan.step(character) && character == separator)
}

/// Whether a quoted string in `text` lacks its closing quote.
pub(super) fn has_open_quote(text: &str) -> bool {
    let mut scan = QuoteScan::default();
    text.chars().fold(false, |_, character| !scan.step(character))
}

/// A token as it is, or the content of a quoted string; `None` if the closing quote is missing.
pub(super) fn unquote(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Some(text)
}
