//! Splitting a value into words, with quotes and C escapes (systemd.syntax(7), "Quoting").

/// How a value is split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// Quotes group words and are removed.
    pub unquote: bool,
    /// A backslash is an ordinary character.
    pub retain_escape: bool,
    /// Backslash sequences as in C are decoded.
    pub c_unescape: bool,
    /// An unknown backslash sequence is kept as it is, instead of being an error.
    pub relaxed: bool,
}

/// Plain words: nothing but white space separates them, and a backslash protects the next character.
pub const PLAIN: Rules = Rules {
    unquote: false,
    retain_escape: false,
    c_unescape: false,
    relaxed: false,
};
/// Names of units: a backslash belongs to the name.
pub const UNIT_NAMES: Rules = Rules {
    retain_escape: true,
    ..PLAIN
};
/// Words with quotes.
pub const QUOTED: Rules = Rules {
    unquote: true,
    ..PLAIN
};
/// Words of a command line.
pub const COMMAND: Rules = Rules {
    c_unescape: true,
    ..QUOTED
};

/// Why a value cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitError {
    /// A quote is not closed, or the text ends in a backslash.
    Unbalanced,
    /// A backslash sequence that does not exist.
    UnknownEscape,
}

/// White space between words.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Takes the first word off `rest`. `Ok(None)` at the end.
pub fn next(rest: &mut &str, rules: Rules) -> Result<Option<String>, SplitError> {
    *rest = rest.trim_start_matches(is_space);
    if rest.is_empty() {
        return Ok(None);
    }
    let mut word = Vec::new();
    let mut quote = None;
    let mut text = *rest;
    loop {
        let Some(c) = text.chars().next() else {
            if quote.is_some() {
                return Err(SplitError::Unbalanced);
            }
            break;
        };
        let tail = &text[c.len_utf8()..];
        text = tail;
        match c {
            '\\' if !rules.retain_escape => text = escape(tail, &mut word, rules, quote.is_some())?,
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if rules.unquote && quote.is_none() => quote = Some(c),
            _ if quote.is_none() && is_space(c) => {
                text = tail.trim_start_matches(is_space);
                break;
            }
            _ => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    *rest = text;
    Ok(Some(String::from_utf8_lossy(&word).into_owned()))
}

/// All words of a value.
pub fn split(text: &str, rules: Rules) -> Result<Vec<String>, SplitError> {
    let mut rest = text;
    let mut words = Vec::new();
    while let Some(word) = next(&mut rest, rules)? {
        words.push(word);
    }
    Ok(words)
}

/// The next word; an unknown backslash sequence is kept, and `true` says so (systemd warns about it).
pub fn next_relaxed(rest: &mut &str, rules: Rules) -> Result<Option<(String, bool)>, SplitError> {
    let start = *rest;
    match next(rest, rules) {
        Ok(word) => Ok(word.map(|w| (w, false))),
        Err(_) => {
            *rest = start;
            let relaxed = Rules {
                relaxed: true,
                ..rules
            };
            next(rest, relaxed)
                .map(|word| word.map(|w| (w, true)))
                .map_err(|_| SplitError::Unbalanced)
        }
    }
}

/// Handles what follows a backslash; returns the text after it.
fn escape<'a>(
    text: &'a str,
    word: &mut Vec<u8>,
    rules: Rules,
    quoted: bool,
) -> Result<&'a str, SplitError> {
    let Some(c) = text.chars().next() else {
        if rules.relaxed && !quoted {
            word.push(b'\\');
            return Ok("");
        }
        return Err(SplitError::Unbalanced);
    };
    if !rules.c_unescape {
        word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(&text[c.len_utf8()..]);
    }
    if let Some(len) = c_escape(text, word) {
        return Ok(&text[len..]);
    }
    if rules.relaxed {
        word.push(b'\\');
        word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(&text[c.len_utf8()..]);
    }
    Err(SplitError::UnknownEscape)
}

/// Decodes one C escape sequence at the start of `text` (after the backslash); returns its length.
fn c_escape(text: &str, out: &mut Vec<u8>) -> Option<usize> {
    let simple = match text.as_bytes().first()? {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'"' => b'"',
        b'\'' => b'\'',
        b's' => b' ',
        b'x' => return number(text, out, 1, 2, 16),
        b'u' => return number(text, out, 1, 4, 16),
        b'U' => return number(text, out, 1, 8, 16),
        b'0'..=b'7' => return number(text, out, 0, 3, 8),
        _ => return None,
    };
    out.push(simple);
    Some(1)
}

/// A numeric escape of exactly `digits` digits after `skip` bytes. Short ones are bytes, the Unicode ones characters.
fn number(text: &str, out: &mut Vec<u8>, skip: usize, digits: usize, radix: u32) -> Option<usize> {
    let text = text.get(skip..skip + digits)?;
    if !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u32::from_str_radix(text, radix).ok()?;
    if value == 0 {
        return None;
    }
    if digits < 4 {
        out.push(u8::try_from(value).ok()?);
    } else {
        let c = char::from_u32(value)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(skip + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, rules: Rules) -> Result<Vec<String>, SplitError> {
        split(text, rules)
    }

    #[test]
    fn quotes() {
        let all = |text| words(text, QUOTED).map(|w| w.join("|"));
        assert_eq!(all("a  b\tc"), Ok("a|b|c".into()));
        assert_eq!(all("'a b' \"c d\"e"), Ok("a b|c de".into()));
        assert_eq!(all("a '' b"), Ok("a||b".into()));
        assert_eq!(all("'it\"s'"), Ok("it\"s".into()));
        assert_eq!(all("'a"), Err(SplitError::Unbalanced));
        assert_eq!(all("a\\ b"), Ok("a b".into()));
        assert_eq!(all(""), Ok("".into()));
    }

    #[test]
    fn unit_names_keep_backslashes() {
        assert_eq!(
            words("dev-disk-by\\x2duuid-1.device 'x'", UNIT_NAMES).unwrap(),
            ["dev-disk-by\\x2duuid-1.device", "'x'"]
        );
    }

    #[test]
    fn c_escapes() {
        assert_eq!(
            words(r"a\x41\n\u00e9\101\sb", COMMAND).unwrap(),
            ["aA\né A b".replace(" A", "A")]
        );
        assert_eq!(words(r"\q", COMMAND), Err(SplitError::UnknownEscape));
        assert_eq!(words(r"\x4", COMMAND), Err(SplitError::UnknownEscape));
        assert_eq!(words(r"\x00", COMMAND), Err(SplitError::UnknownEscape));
        assert_eq!(words(r"a\", COMMAND), Err(SplitError::Unbalanced));
        let mut rest = r"s/\q/\d/ x";
        assert_eq!(
            next_relaxed(&mut rest, COMMAND),
            Ok(Some((r"s/\q/\d/".into(), true)))
        );
        assert_eq!(rest, "x");
        let mut rest = r"tail\";
        assert_eq!(
            next_relaxed(&mut rest, COMMAND),
            Ok(Some((r"tail\".into(), true)))
        );
    }
}
