//! What an operator writes down about something they have settled.

use super::text::is_printable;

/// The most characters of a note.
const CHARS_MAX: usize = 500;

/// One line of an operator's: 1 to 500 printable characters, without spaces around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

/// Why a text is no note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Nothing is in it.
    #[error("a note says something: what was found, and what was done about it")]
    Empty,
    /// It is too long.
    #[error("a note has at most {CHARS_MAX} characters")]
    TooLong,
    /// Something in it does not show.
    #[error("a note is one line of printable characters")]
    Unprintable,
}

impl Note {
    /// The note in `text`.
    ///
    /// # Errors
    /// [`NoteError`] says which rule it breaks.
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

    /// What it says.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{CHARS_MAX, Note, NoteError};

    #[test]
    fn a_note_is_one_line_that_says_something() {
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
