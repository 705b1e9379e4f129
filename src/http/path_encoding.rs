//! Refuses paths that are not UTF-8. actix-web replaces invalid bytes by U+FFFD, and decodes a path in two steps that
//! differ for a `%` without two hexadecimal digits: both could turn one member's id into another's.

pub(super) const NOT_TEXT: &str = "the path must be UTF-8, with two hexadecimal digits after every '%'";

/// Whether two hexadecimal digits follow every `%`, and the decoded bytes are UTF-8.
pub(super) fn is_text(path: &str) -> bool {
    !path.contains('%') || decoded(path.as_bytes()).is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok())
}

/// Percent-decodes a path.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut sections = path.split(|byte| *byte == b'%');
    let mut bytes = sections.next()?.to_vec();
    for section in sections {
        let (digits, rest) = section.split_first_chunk::<2>()?;
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        bytes.extend_from_slice(rest);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::is_text;

    #[test]
    fn paths_that_are_not_text_are_detected() {
        for path in [
            "",
            "/",
            "/a/b",
            "/%41",
            "/%c3%A9",
            "/\u{e9}",
            "/%EF%BF%BD",
            "/%25ff",
            "/%2F",
            "/%00",
            "/%25%66%66",
        ] {
            assert!(is_text(path), "{path}");
        }
        for path in [
            "/%ff",
            "/%c3",
            "/%c3%28",
            "/%c3/%a9",
            "/%ed%a0%80",
            "/%",
            "/a%",
            "/%f",
            "/%zz",
            "/%+1",
            "/%%66f",
        ] {
            assert!(!is_text(path), "{path}");
        }
    }
}
