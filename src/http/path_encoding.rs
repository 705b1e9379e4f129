//! Which paths are taken. actix-web reads what is no text as if U+FFFD stood there, and decodes a path in two steps, which
//! differ where a `%` begins no byte: either way the id of somebody else could come out.

/// What whoever asks for another one is told.
pub(super) const NOT_TEXT: &str = "the path must be UTF-8, with two hexadecimal digits after every '%'";

/// Whether every `%` of a path begins a byte, and all its bytes together are text.
pub(super) fn is_text(path: &str) -> bool {
    !path.contains('%') || decoded(path.as_bytes()).is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok())
}

/// The bytes that a path stands for.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts = path.split(|byte| *byte == b'%');
    let mut bytes = parts.next()?.to_vec();
    for part in parts {
        let (digits, rest) = part.split_first_chunk::<2>()?;
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
    fn what_is_no_text_is_not_taken() {
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
