//! The header `Prefer` (RFC 7240) with `ack=granted`, `ack=queued` or `ack=persisted`.
//!
//! Other preferences and malformed ones are ignored: a preference never makes a request invalid.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::header_values::{split, unquote};
use crate::domain::AckLevel;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The level that the client prefers. Only the first preference of a name counts (RFC 7240, section 2).
pub(super) fn ack(request: &HttpRequest) -> Option<AckLevel> {
    let lines = request.headers().get_all(PREFER).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).find_map(named_ack).and_then(|value| AckLevel::parse(&value))
}

/// The response header that confirms the preference for `level`.
pub(super) fn applied(level: AckLevel) -> (HeaderName, HeaderValue) {
    let value = match level {
        AckLevel::Granted => "ack=granted",
        AckLevel::Queued => "ack=queued",
        AckLevel::Persisted => "ack=persisted",
    };
    (PREFERENCE_APPLIED, HeaderValue::from_static(value))
}

/// The value of a preference if its name is `ack`; empty if it has none. Parameters after a semicolon are ignored.
fn named_ack(preference: &str) -> Option<String> {
    let head = split(preference, ';').next().unwrap_or("");
    let (name, value) = head.split_once('=').unwrap_or((head, ""));
    name.trim().eq_ignore_ascii_case("ack").then(|| unquote(value.trim()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{AckLevel, ack};

    fn level(lines: &[&str]) -> Option<AckLevel> {
        let request =
            lines.iter().fold(TestRequest::post(), |request, line| request.append_header(("Prefer", *line)));
        ack(&request.to_http_request())
    }

    #[test]
    fn the_first_ack_preference_counts() {
        for lines in [
            &["ack=persisted"][..],
            &["ACK = \"persisted\""],
            &["ack=\"pers\\isted\""],
            &["  respond-async , wait=10;x=\"a,b\" ,\tack=persisted ; why=not"],
            &["return=minimal", "", ",,", "ack=persisted"],
            &["x=\"ack=queued, \\\" ack=queued\", ack=persisted"],
            &["ack=persisted, ack=queued", "ack=granted"],
        ] {
            assert_eq!(level(lines), Some(AckLevel::Persisted), "{lines:?}");
        }
        assert_eq!(level(&["ack=queued"]), Some(AckLevel::Queued));
        assert_eq!(level(&["ack=granted"]), Some(AckLevel::Granted));
    }

    #[test]
    fn other_and_malformed_preferences_are_ignored() {
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
            assert_eq!(level(&[line]), None, "{line:?}");
        }
        assert_eq!(level(&[]), None);
    }
}
