//! The syntax of systemd's configuration files: lines, continuations, comments, sections (systemd.syntax(7); `config_parse` in
//! systemd's `src/shared/conf-parser.c`).

use crate::inspect::source::SourceFile;

/// Longest logical line (`LONG_LINE_MAX`).
const LONG_LINE_MAX: usize = 1 << 20;

/// One `key=value` of a file, unexpanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Section without brackets.
    pub section: String,
    /// Key.
    pub key: String,
    /// Value, continuation lines joined.
    pub value: String,
    /// 1-based line; of a continued one the last, as systemd counts.
    pub line: u32,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What.
    pub message: String,
    /// 1-based line.
    pub line: u32,
    /// Reading stopped here, and the file counts as unreadable.
    pub fatal: bool,
}

/// A parsed file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Assignments in order.
    pub assignments: Vec<Assignment>,
    /// Complaints in order; at most one fatal, the last.
    pub complaints: Vec<Complaint>,
}

/// Splits a text at systemd's line ends: `\n`, `\r` and NUL, where a run without a repeated character is one end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r', '\0']).unwrap_or(rest.len());
        let line = &rest[..end];
        let bytes = &rest.as_bytes()[end..];
        let mut seen: &[u8] = &[];
        let mut len = 0;
        while let Some(&b) = bytes.get(len) {
            if !matches!(b, b'\n' | b'\r' | 0) || seen.contains(&b) || seen.last() == Some(&0) {
                break;
            }
            len += 1;
            seen = &bytes[..len];
        }
        rest = &rest[end + len..];
        Some(line)
    })
}

/// White space that is stripped from lines, keys and values.
fn strip(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Parses a file. `known` says whether a section is one that the reader takes: `Some(true)` yes, `Some(false)` ignored silently,
/// `None` unknown.
pub fn parse(source: &SourceFile, known: &dyn Fn(&str) -> Option<bool>) -> Parsed {
    let mut reader = Reader {
        parsed: Parsed::default(),
        section: None,
        ignored: false,
        known,
    };
    let mut continuation: Option<String> = None;
    let mut number = 0;
    for line in lines(&source.text) {
        number += 1;
        if line.trim_start_matches([' ', '\t']).starts_with(['#', ';']) {
            continue;
        }
        // A byte order mark is stripped from the first line that has one.
        let line = if number == 1 {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        let mut joined = continuation.take().unwrap_or_default();
        if joined.len() + line.len() > LONG_LINE_MAX {
            reader.fatal("continuation line too long", number);
            return reader.parsed;
        }
        joined.push_str(line);
        // An odd number of backslashes at the end continues the line.
        let backslashes = joined.bytes().rev().take_while(|b| *b == b'\\').count();
        if backslashes % 2 == 1 {
            joined.pop();
            joined.push(' ');
            continuation = Some(joined);
            continue;
        }
        if !reader.line(&joined, number) {
            return reader.parsed;
        }
    }
    if let Some(rest) = continuation {
        reader.line(&rest, number + 1);
    }
    reader.parsed
}

struct Reader<'a> {
    parsed: Parsed,
    section: Option<String>,
    /// The current section is one that is not read.
    ignored: bool,
    known: &'a dyn Fn(&str) -> Option<bool>,
}

impl Reader<'_> {
    fn complain(&mut self, message: impl Into<String>, line: u32) {
        self.parsed.complaints.push(Complaint {
            message: message.into(),
            line,
            fatal: false,
        });
    }

    fn fatal(&mut self, message: impl Into<String>, line: u32) {
        self.parsed.complaints.push(Complaint {
            message: message.into(),
            line,
            fatal: true,
        });
    }

    /// Takes one logical line; false when the file must not be read further.
    fn line(&mut self, line: &str, number: u32) -> bool {
        let line = strip(line);
        if line.is_empty() {
            return true;
        }
        // Bytes that were not UTF-8 came in as replacement characters; systemd gives up on the whole file.
        if line.contains('\u{fffd}') {
            self.fatal("line is not valid UTF-8", number);
            return false;
        }
        if let Some(header) = line.strip_prefix('[') {
            let Some(name) = header.strip_suffix(']') else {
                self.fatal(format!("invalid section header '{line}'"), number);
                return false;
            };
            if name
                .chars()
                .any(|c| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\'))
            {
                self.fatal(format!("bad characters in section header '{line}'"), number);
                return false;
            }
            match (self.known)(name) {
                Some(true) => {
                    self.section = Some(name.to_owned());
                    self.ignored = false;
                }
                known => {
                    if known.is_none() && !name.starts_with("X-") {
                        self.complain(format!("unknown section '{name}', ignored"), number);
                    }
                    self.section = None;
                    self.ignored = true;
                }
            }
            return true;
        }
        let Some(section) = self.section.clone() else {
            if !self.ignored {
                self.complain("assignment outside of section, ignored", number);
            }
            return true;
        };
        match line.split_once('=') {
            None => self.complain("missing '=', line ignored", number),
            Some(("", _)) => self.complain("missing key name before '=', line ignored", number),
            Some((key, value)) => self.parsed.assignments.push(Assignment {
                section,
                key: strip(key).to_owned(),
                value: strip(value).to_owned(),
                line: number,
            }),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        let source = SourceFile {
            partition: "p2".into(),
            path: "/x.service".into(),
            text: text.into(),
        };
        parse(&source, &|section| match section {
            "Unit" | "Service" => Some(true),
            "Install" => Some(false),
            _ => None,
        })
    }

    fn values(text: &str) -> Vec<(String, String, u32)> {
        parsed(text)
            .assignments
            .into_iter()
            .map(|a| (a.key, a.value, a.line))
            .collect()
    }

    #[test]
    fn continuations_and_comments() {
        let text = "[Unit]\nAfter=a \\\n# a comment\n  b \\\n; another\n\tc\nBefore = d \n";
        assert_eq!(
            values(text),
            [
                ("After".into(), "a    b  \tc".into(), 6),
                ("Before".into(), "d".into(), 7)
            ]
        );
        assert_eq!(
            values("[Unit]\nA=b\\\\\nC=d"),
            [("A".into(), "b\\\\".into(), 2), ("C".into(), "d".into(), 3)]
        );
        assert_eq!(values("[Unit]\nA=b \\"), [("A".into(), "b".into(), 3)]);
    }

    #[test]
    fn line_ends() {
        assert_eq!(
            values("[Unit]\r\nA=1\r\n\r\nB=2\r\n"),
            [("A".into(), "1".into(), 2), ("B".into(), "2".into(), 4)]
        );
        assert_eq!(values("[Unit]\rA=1\rB=2").len(), 2);
        assert_eq!(lines("a\n\nb").collect::<Vec<_>>(), ["a", "", "b"]);
        assert_eq!(lines("a\r\n\r\nb").collect::<Vec<_>>(), ["a", "", "b"]);
    }

    #[test]
    fn sections() {
        let p = parsed(
            "A=1\n[Unit]\nB=2\n[Bogus]\nC=3\n[X-Mine]\nD=4\n[Install]\nE=5\n[Service]\nF\n=x\nG=6\n",
        );
        assert_eq!(
            p.assignments
                .iter()
                .map(|a| a.key.as_str())
                .collect::<Vec<_>>(),
            ["B", "G"]
        );
        let complaints: Vec<_> = p.complaints.iter().map(|c| (c.line, c.fatal)).collect();
        assert_eq!(
            complaints,
            [(1, false), (4, false), (11, false), (12, false)]
        );
    }

    #[test]
    fn broken_header_ends_the_file() {
        let p = parsed("[Unit]\nA=1\n[Service\nB=2\n");
        assert_eq!(p.assignments.len(), 1);
        assert!(p.complaints[0].fatal);
        assert_eq!(p.complaints[0].line, 3);
    }

    #[test]
    fn byte_order_mark() {
        assert_eq!(
            values("\u{feff}[Unit]\nA=1\n"),
            [("A".into(), "1".into(), 2)]
        );
    }
}
