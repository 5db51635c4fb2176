//! Guest text made safe for a terminal: escape sequences are shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write;

/// Control characters (C0, DEL, C1) and characters that reorder or hide text (bidirectional controls, zero-width characters,
/// byte order mark) are written as escapes. A tab becomes a blank. Everything else stays.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            c if unsafe_char(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for text of several lines, which stay lines.
pub fn safe_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(safe).collect();
    lines.join("\n")
}

fn unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown() {
        assert_eq!(safe("plain – text"), "plain – text");
        assert_eq!(safe("\x1b[2J\x07a\tb\r\n"), "\\e[2J\\u{7}a b\\r\\n");
        assert_eq!(safe_lines("a\x1b\nb"), "a\\e\nb");
        assert_eq!(safe("\u{9b}31m \u{202e}x"), "\\u{9b}31m \\u{202e}x");
    }
}
