//! Rules for texts that are displayed: printable characters, and counts with their nouns.

/// Whether `c` is visible or a blank: not a control character, and not an invisible one that reorders, joins or breaks
/// text. With those, two different names could look the same.
#[must_use]
pub fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{FEFF}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}');
    !c.is_control() && !invisible
}

/// `count` with its noun in singular or plural: "1 row", "2 rows", "0 rows".
#[must_use]
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{counted, is_printable};

    #[test]
    fn only_one_is_singular() {
        let texts = [0, 1, 2, 21].map(|count| counted(count, "letter waits", "letters wait"));
        assert_eq!(texts, ["0 letters wait", "1 letter waits", "2 letters wait", "21 letters wait"]);
    }

    #[test]
    fn letters_of_any_script_are_printable() {
        assert!("aZ09 _-@.한글 漢字 é 🎫".chars().all(is_printable));
    }

    #[test]
    fn control_and_invisible_characters_are_not_printable() {
        for c in ['\0', '\n', '\u{7f}', '\u{85}', '\u{200b}', '\u{202e}', '\u{2028}', '\u{feff}'] {
            assert!(!is_printable(c), "{c:?}");
        }
    }
}
