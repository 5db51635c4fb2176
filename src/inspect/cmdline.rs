//! The kernel command line with the kernel's own quoting (`lib/cmdline.c`, `next_arg`).

use super::source::Origin;
use schemars::JsonSchema;
use serde::Serialize;

/// One word of the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Word {
    /// Parameter name as written.
    pub key: String,
    /// Value after the first `=`, quotes removed; none when there is no `=`.
    pub value: Option<String>,
    /// Byte offset in [`CmdlineFacts::text`].
    pub offset: usize,
    /// Length in bytes as written, quotes included.
    #[serde(skip)]
    pub len: usize,
    /// The line of the configuration that the word was written on, and the byte column there.
    #[serde(skip)]
    pub place: Option<(Origin, usize)>,
}

/// The command line of the entry that boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CmdlineFacts {
    /// The whole text.
    pub text: String,
    /// Words in order; words after a bare `--` go to init and are left out.
    pub words: Vec<Word>,
    /// Words after a bare `--`: the kernel hands them to init. systemd reads `/proc/cmdline` itself and obeys them all the same.
    pub init_words: Vec<Word>,
    /// Lines it came from.
    pub origins: Vec<Origin>,
}

/// Splits a command line as the kernel does. `origins` are the lines the text was put together from, in order.
pub fn parse(text: &str, origins: &[Origin]) -> CmdlineFacts {
    let mut words = Vec::new();
    let mut init_words = Vec::new();
    let mut for_init = false;
    let mut at = skip_spaces(text, 0);
    while at < text.len() {
        let end = word_end(text, at);
        let word = split_word(text, at, end);
        if !for_init && word.value.is_none() && word.key == "--" {
            for_init = true;
        } else if for_init {
            init_words.push(word);
        } else {
            words.push(word);
        }
        at = skip_spaces(text, end);
    }
    place_words(text, &mut words, &mut init_words, origins);
    CmdlineFacts {
        text: text.to_owned(),
        words,
        init_words,
        origins: origins.to_vec(),
    }
}

impl CmdlineFacts {
    /// The words with this name, in order.
    pub fn words_named<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Word> {
        self.words.iter().filter(move |w| same_key(&w.key, key))
    }
    /// The last word with this name.
    pub fn word(&self, key: &str) -> Option<&Word> {
        self.words.iter().rfind(|w| same_key(&w.key, key))
    }
    /// The word that reads so: `key=value` without quotes.
    pub fn written(&self, text: &str) -> Option<&Word> {
        self.words.iter().find(|word| match text.split_once('=') {
            Some((key, value)) => word.key == key && word.value.as_deref() == Some(value),
            None => word.key == text && word.value.is_none(),
        })
    }
    /// The value of the last word with this name; the kernel lets later words override earlier ones.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.word(key)?.value.as_deref()
    }
    /// All values given to a name, in order (`console=` may be repeated and each counts).
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.words_named(key).filter_map(|w| w.value.as_deref())
    }
    /// Whether the name occurs, with or without a value.
    pub fn has(&self, key: &str) -> bool {
        self.word(key).is_some()
    }
}

/// Parameter names are equal when they differ only in dash and underscore (`kernel/params.c`, `parameq`).
pub fn same_key(a: &str, b: &str) -> bool {
    let fold = |c: u8| if c == b'-' { b'_' } else { c };
    a.len() == b.len() && a.bytes().map(fold).eq(b.bytes().map(fold))
}

/// `isspace` of the kernel, as far as it keeps UTF-8 whole.
fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}

fn skip_spaces(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().get(from..).unwrap_or_default();
    from + rest.iter().take_while(|c| is_space(**c)).count()
}

/// Where the word that starts at `start` ends: at a space outside quotes. Quotes need not surround the whole word.
fn word_end(text: &str, start: usize) -> usize {
    let mut quoted = false;
    for (i, c) in text.bytes().enumerate().skip(start) {
        match c {
            b'"' => quoted = !quoted,
            c if is_space(c) && !quoted => return i,
            _ => {}
        }
    }
    text.len()
}

/// Key and value of one word, with the two pairs of quotes that the kernel takes off: around the word, or around the value.
fn split_word(text: &str, start: usize, end: usize) -> Word {
    let raw = text.get(start..end).unwrap_or_default();
    let body = raw.strip_prefix('"').unwrap_or(raw);
    // The kernel does not take a leading `=` for the separator.
    let equals = body.bytes().skip(1).position(|c| c == b'=').map(|i| i + 1);
    let around = body.len() != raw.len();
    let (key, value) = match equals.map(|i| (&body[..i], &body[i + 1..])) {
        Some((key, value)) => {
            let inner = value.strip_prefix('"');
            let value = inner.unwrap_or(value);
            let closed = around || inner.is_some();
            (key, Some(if closed { unclosed(value) } else { value }))
        }
        None if around => (unclosed(body), None),
        None => (body, None),
    };
    Word {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        offset: start,
        len: raw.len(),
        place: None,
    }
}

fn unclosed(text: &str) -> &str {
    text.strip_suffix('"').unwrap_or(text)
}

/// Finds each word again in the lines it came from, walking both in order.
fn place_words(text: &str, words: &mut [Word], init_words: &mut [Word], origins: &[Origin]) {
    let lines: Vec<&str> = origins.iter().map(|o| o.text().unwrap_or("")).collect();
    let (mut line, mut from) = (0, 0);
    for word in words.iter_mut().chain(init_words) {
        let raw = text
            .get(word.offset..word.offset + word.len)
            .unwrap_or_default();
        for (i, content) in lines.iter().enumerate().skip(line) {
            let start = if i == line { from } else { 0 };
            if let Some(column) = find_word(content, raw, start) {
                (line, from) = (i, column + raw.len());
                word.place = Some((origins[i].clone(), column));
                break;
            }
        }
    }
}

/// `raw` as a whole word of `line`, not before `start`.
fn find_word(line: &str, raw: &str, start: usize) -> Option<usize> {
    let mut from = start;
    while let Some(found) = line.get(from..)?.find(raw) {
        let at = from + found;
        let bytes = line.as_bytes();
        let open = at == 0 || bytes.get(at - 1).is_some_and(|c| is_space(*c));
        let closed = bytes.get(at + raw.len()).is_none_or(|c| is_space(*c));
        if open && closed {
            return Some(at);
        }
        from = at + raw.chars().next()?.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::source::SourceFile;
    use std::sync::Arc;

    fn pairs(text: &str) -> Vec<(String, Option<String>)> {
        parse(text, &[])
            .words
            .into_iter()
            .map(|w| (w.key, w.value))
            .collect()
    }
    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.into(), Some(value.into()))
    }

    #[test]
    fn splits_as_the_kernel_does() {
        assert_eq!(
            pairs("  root=PARTUUID=ab quiet\tdyndbg=\"file a.c +p\" "),
            [
                pair("root", "PARTUUID=ab"),
                ("quiet".into(), None),
                pair("dyndbg", "file a.c +p")
            ]
        );
        assert_eq!(
            pairs("\"a b=c d\" e"),
            [pair("a b", "c d"), ("e".into(), None)]
        );
        assert_eq!(pairs("a=b\" c\"d"), [pair("a", "b\" c\"d")]);
        assert_eq!(pairs("a=\"b c"), [pair("a", "b c")]);
        assert_eq!(pairs("=x"), [("=x".into(), None)]);
        assert_eq!(pairs("\"whole word\""), [("whole word".into(), None)]);
        assert_eq!(pairs("\""), [(String::new(), None)]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn words_after_the_double_dash_go_to_init() {
        let facts = parse("quiet -- single console=hvc0", &[]);
        assert!(facts.has("quiet") && !facts.has("console"));
        assert_eq!(facts.init_words.len(), 2);
    }

    #[test]
    fn dash_and_underscore_are_one_name_and_the_last_value_wins() {
        let facts = parse(
            "modules-load=a modules_load=b console=ttyS0 console=tty0",
            &[],
        );
        assert_eq!(facts.value("modules_load"), Some("b"));
        assert_eq!(facts.values("modules-load").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            facts.values("console").collect::<Vec<_>>(),
            ["ttyS0", "tty0"]
        );
        assert!(!facts.has("consol"));
    }

    #[test]
    fn words_are_found_in_their_lines() {
        let file = Arc::new(SourceFile {
            partition: "p1".into(),
            path: "/loader/entries/boot.conf".into(),
            text: "title x\noptions a=quieter quiet\noptions  quiet b=1\n".into(),
        });
        let origins = [Origin::line(&file, 2), Origin::line(&file, 3)];
        let facts = parse("a=quieter quiet quiet b=1", &origins);
        let places: Vec<_> = facts
            .words
            .iter()
            .map(|w| w.place.as_ref().map(|(o, c)| (o.line, *c)))
            .collect();
        let at = |line, column| Some((Some(line), column));
        assert_eq!(places, [at(2, 8), at(2, 18), at(3, 9), at(3, 15)]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_split_without_panic(text in "[ a=\"\\-\u{e4}\t]{0,40}") {
            let facts = parse(&text, &[]);
            for word in facts.words.iter().chain(&facts.init_words) {
                proptest::prop_assert!(word.len > 0);
                proptest::prop_assert!(text.get(word.offset..word.offset + word.len).is_some());
            }
        }
    }
}
