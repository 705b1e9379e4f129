//! The note by which an operator records why a conflict was settled or a number written off.

use super::text::is_printable;

/// The most characters of a note.
const CHARS_MAX: usize = 500;

/// One line of 1 to 500 printable characters, without blanks around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

/// A text that is not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is empty or blank.
    #[error("a note must not be empty: write down the cause and the remedy")]
    Empty,
    /// The text has more than 500 characters.
    #[error("a note has at most {CHARS_MAX} characters")]
    TooLong,
    /// The text has a line break or another unprintable character.
    #[error("a note is one line of printable characters")]
    Unprintable,
}

impl Note {
    /// Parses a note and removes the blanks around it.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NoteError::Empty);
        }
        if text.chars().count() > CHARS_MAX {
            return Err(NoteError::TooLong);
        }
        if !text.chars().all(is_printable) {
            return Err(NoteError::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// The note as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{CHARS_MAX, Note, NoteError};

    #[test]
    fn a_note_is_one_printable_line() {
        let longest = "쿠".repeat(CHARS_MAX);
        assert_eq!(Note::parse(&longest).as_ref().map(Note::as_str), Ok(longest.as_str()));
        assert_eq!(Note::parse("  seen \n").as_ref().map(Note::as_str), Ok("seen"));
        for (text, error) in [
            ("", NoteError::Empty),
            (" \n", NoteError::Empty),
            (&format!("{longest}x"), NoteError::TooLong),
            ("two\nlines", NoteError::Unprintable),
            ("\0", NoteError::Unprintable),
        ] {
            assert_eq!(Note::parse(text), Err(error), "{text:?}");
        }
    }
}
