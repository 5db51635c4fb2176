//! `loader.conf` and the line format it shares with entries (`line_get_key_value` in systemd's `efi-string.c`).

use super::Behaviour;
use crate::inspect::source::{Origin, SourceFile};
use std::sync::Arc;

/// What `loader.conf` sets.
#[derive(Debug, Default)]
pub struct Settings {
    /// `default` with its line; the last one counts.
    pub default: Option<(String, Origin)>,
    /// `timeout`: seconds, none for "at once", `u32::MAX` for "wait for ever".
    pub timeout: Option<(Option<u32>, Origin)>,
}

impl Settings {
    /// The pattern that entries are compared with. `@saved` needs an EFI variable that a fresh machine has not.
    pub fn pattern(&self) -> Option<&str> {
        let (pattern, _) = self.default.as_ref()?;
        (!pattern.eq_ignore_ascii_case("@saved")).then_some(pattern)
    }
}

/// Reads the settings that decide what boots and when.
pub fn parse(file: &Arc<SourceFile>, behaviour: Behaviour) -> Settings {
    let mut settings = Settings::default();
    for line in key_values(&file.text) {
        let origin = Origin::line(file, line.number);
        match line.key {
            "default" if is_ignored(line.value, behaviour) => {}
            "default" => settings.default = Some((line.value.to_owned(), origin)),
            "timeout" => {
                if let Some(timeout) = timeout(line.value, behaviour) {
                    settings.timeout = Some((timeout, origin));
                }
            }
            _ => {}
        }
    }
    settings
}

/// Other words with an at sign are reserved and passed over.
fn is_ignored(value: &str, behaviour: Behaviour) -> bool {
    behaviour.newest_first && value.starts_with('@') && !value.eq_ignore_ascii_case("@saved")
}

/// The value of `timeout`; none when the loader ignores the line.
fn timeout(value: &str, behaviour: Behaviour) -> Option<Option<u32>> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let number = value[..digits].parse::<u64>();
    if !behaviour.newest_first {
        // Atoi: leading digits, and nothing is an error.
        let seconds = number.unwrap_or(0).min(u64::from(u32::MAX)) as u32;
        return Some((seconds > 0).then_some(seconds));
    }
    match value {
        "menu-force" => Some(Some(u32::MAX)),
        "menu-hidden" | "menu-disabled" => Some(None),
        _ if digits == value.len() => {
            let seconds = u32::try_from(number.ok()?).ok()?;
            Some((seconds > 0).then_some(seconds))
        }
        _ => None,
    }
}

/// One `key value` line.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyValue<'a> {
    /// 1-based line.
    pub number: u32,
    /// First word.
    pub key: &'a str,
    /// The rest, one pair of quotes around it taken off.
    pub value: &'a str,
}

/// Lines with a key and a value; comments and lines without a value are passed over.
pub fn key_values(text: &str) -> impl Iterator<Item = KeyValue<'_>> {
    split(text, &[' ', '\t'])
}

/// The same with `=` between, as os-release has it.
pub fn assignments(text: &str) -> impl Iterator<Item = KeyValue<'_>> {
    split(text, &['='])
}

fn split<'a>(text: &'a str, separators: &'a [char]) -> impl Iterator<Item = KeyValue<'a>> {
    let text = text.split('\0').next().unwrap_or_default();
    text.split('\n')
        .zip(1u32..)
        .flat_map(|(line, number)| line.split('\r').map(move |part| (part, number)))
        .filter_map(move |(line, number)| {
            let line = line.trim_matches([' ', '\t']);
            if line.starts_with('#') {
                return None;
            }
            let at = line.find(separators)?;
            let value = line[at..].trim_start_matches(separators);
            Some(KeyValue {
                number,
                key: &line[..at],
                value: unquote(value),
            })
        })
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote)
            && let Some(inner) = inner.strip_suffix(quote)
        {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, version: &str) -> Settings {
        let file = SourceFile {
            partition: "p1".into(),
            path: "/loader/loader.conf".into(),
            text: text.into(),
        };
        parse(&Arc::new(file), Behaviour::of(Some(version)))
    }

    #[test]
    fn lines_are_split_as_the_loader_does() {
        let lines: Vec<_> =
            key_values("# c\n\n  title \t \"A b\"  \r\nlonely\noptions a=\"x y\"\n")
                .map(|l| (l.number, l.key, l.value))
                .collect();
        assert_eq!(lines, [(3, "title", "A b"), (5, "options", "a=\"x y\"")]);
        assert_eq!(assignments("ID=debian\nNAME='D L'\nX=\"\n").count(), 3);
        assert_eq!(key_values("a b\0c d").count(), 1);
    }

    #[test]
    fn the_last_default_and_the_last_good_timeout_count() {
        let s = settings(
            "default a\ntimeout 5\ndefault boot\ntimeout x\ndefault @next\n",
            "252",
        );
        let (pattern, origin) = s.default.unwrap();
        assert_eq!((pattern.as_str(), origin.line), ("boot", Some(3)));
        assert_eq!(s.timeout.unwrap().0, Some(5));
    }

    #[test]
    fn timeouts_by_release() {
        let seconds = |text: &str, version| {
            settings(&format!("timeout {text}\n"), version)
                .timeout
                .map(|t| t.0)
        };
        assert_eq!(seconds("0", "252.39-1~deb12u1"), Some(None));
        assert_eq!(seconds("menu-hidden", "252"), Some(None));
        assert_eq!(seconds("menu-force", "252"), Some(Some(u32::MAX)));
        assert_eq!(seconds("3s", "252"), None);
        assert_eq!(seconds("99999999999", "252"), None);
        assert_eq!(seconds("menu-force", "247"), Some(None));
        assert_eq!(seconds("3s", "247"), Some(Some(3)));
        assert_eq!(seconds("3\u{e4}", "247"), Some(Some(3)));
    }
}
