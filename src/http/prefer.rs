//! The header `Prefer` of RFC 7240, as far as it is understood here: `ack=granted`, `ack=queued`, `ack=persisted`.
//!
//! A preference can be ignored, and what cannot be read as one is: it never makes a request invalid.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use crate::domain::AckLevel;

/// The request's header.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The answer's header; it names what was followed.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The preference's name, which is read in any case of letters.
const ACK: &str = "ack";

/// The level that the client prefers. Only the first preference of that name counts, as the RFC says.
pub(super) fn ack(request: &HttpRequest) -> Option<AckLevel> {
    let lines = request.headers().get_all(PREFER).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, b',')).find_map(named_ack).and_then(|value| AckLevel::parse(&value))
}

/// What says that the preference for `level` was followed.
pub(super) fn applied(level: AckLevel) -> (HeaderName, HeaderValue) {
    let value = match level {
        AckLevel::Granted => "ack=granted",
        AckLevel::Queued => "ack=queued",
        AckLevel::Persisted => "ack=persisted",
    };
    (PREFERENCE_APPLIED, HeaderValue::from_static(value))
}

/// The value of a preference if its name is `ack`; empty if it has none. Parameters after a semicolon say nothing here.
fn named_ack(preference: &str) -> Option<String> {
    let head = split(preference, b';').next().unwrap_or("");
    let (name, value) = head.split_once('=').unwrap_or((head, ""));
    name.trim().eq_ignore_ascii_case(ACK).then(|| unquoted(value.trim()))
}

/// A token as it is, or what is meant by a quoted string.
fn unquoted(word: &str) -> String {
    let Some(quoted) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return word.to_owned();
    };
    let mut meant = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        meant.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    meant
}

/// The parts between those separators that are in no quoted string.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        if escaped {
            escaped = false;
        } else if quoted && character == '\\' {
            escaped = true;
        } else if character == '"' {
            quoted = !quoted;
        }
        !quoted && character == char::from(separator)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{AckLevel, ack};

    fn read(lines: &[&str]) -> Option<AckLevel> {
        let request =
            lines.iter().fold(TestRequest::post(), |request, line| request.append_header(("Prefer", *line)));
        ack(&request.to_http_request())
    }

    #[test]
    fn a_preference_is_read_wherever_it_stands() {
        for lines in [
            &["ack=persisted"][..],
            &["ACK = \"persisted\""],
            &["ack=\"pers\\isted\""],
            &["  respond-async , wait=10;x=\"a,b\" ,\tack=persisted ; why=not"],
            &["return=minimal", "", ",,", "ack=persisted"],
            &["x=\"ack=queued, \\\" ack=queued\", ack=persisted"],
            // Only the first of a name counts.
            &["ack=persisted, ack=queued", "ack=granted"],
        ] {
            assert_eq!(read(lines), Some(AckLevel::Persisted), "{lines:?}");
        }
        assert_eq!(read(&["ack=queued"]), Some(AckLevel::Queued));
        assert_eq!(read(&["ack=granted"]), Some(AckLevel::Granted));
    }

    #[test]
    fn what_is_none_is_ignored() {
        for line in [
            "",
            "ack",
            "ack=",
            "ack=\"\"",
            "ack=yes",
            "ack=PERSISTED",
            "ack=persisted persisted",
            "ack==persisted",
            "ack=\"persisted",
            "ack persisted",
            "attack=persisted",
            "x;ack=persisted",
            "x=\"ack=persisted",
            "ack, ack=persisted",
            "ack=yes, ack=persisted",
        ] {
            assert_eq!(read(&[line]), None, "{line:?}");
        }
        assert_eq!(read(&[]), None);
    }
}
