//! Texts that come from files, made fit for people: nothing in them reaches a terminal as a command, and none goes on for
//! pages.

/// Bytes of a name that a list shows, at most.
pub(crate) const NAME: usize = 250;

/// Bytes of what a message says of a file, at most.
pub(crate) const SENTENCE: usize = 1000;

/// `text` with control characters escaped (`\n`, `\u{1b}`).
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// `text` in one line of about `most` bytes: control characters are escaped, of a longer text both ends are kept.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let text = escaped(text);
    if text.len() <= most {
        return text;
    }
    let (head, tail) = (text.floor_char_boundary(most / 2), text.ceil_char_boundary(text.len() - most / 2));
    format!("{} ... {} ({} bytes)", &text[..head], &text[tail..], text.len())
}

/// What messages say of a file, in which its maker may have written anything: `text` in one line, with control characters
/// escaped; of a longer text both ends are kept.
pub fn in_a_line(text: &str) -> String {
    shown(text, SENTENCE)
}

/// A name from a file for a hint, in which single braces stand around the names of arguments.
pub(crate) fn in_hint(name: &str) -> String {
    shown(name, NAME).replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else_is() {
        assert_eq!(escaped("caf\u{e9} \u{732b}\\n"), "caf\u{e9} \u{732b}\\n");
        assert_eq!(escaped("a\n\t\r\0\u{1b}[2J\u{7f}\u{9b}"), "a\\n\\t\\r\\u{0}\\u{1b}[2J\\u{7f}\\u{9b}");
    }

    #[test]
    fn long_texts_keep_both_ends_and_whole_characters() {
        assert_eq!(shown("1234567890", 10), "1234567890");
        assert_eq!(shown("12345678901", 10), "12345 ... 78901 (11 bytes)");
        assert_eq!(shown(&"\u{e9}".repeat(10), 10), "\u{e9}\u{e9} ... \u{e9}\u{e9} (20 bytes)");
    }

    #[test]
    fn a_name_in_a_hint_is_no_argument() {
        assert_eq!(in_hint("a{b}\n"), "a{{b}}\\n");
    }
}
