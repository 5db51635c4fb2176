//! Bytes of a terminal → lines: escape sequences stripped, redraws folded, prompts recognised by their silence.

use std::collections::VecDeque;

/// Longest line kept in one piece.
const LINE_CAP: usize = 4096;
/// Redrawn lines remembered for folding; a menu or a progress display has fewer.
const REDRAWS: usize = 64;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Text without escape sequences; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// No newline has come: a prompt, or a line cut off.
    pub partial: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// After ESC.
    Start,
    /// In `ESC [ … letter` (ECMA-48 5.4).
    Csi,
    /// In a string that BEL or ESC \ ends.
    Text,
    /// One more byte belongs to it (`ESC ( B`).
    One,
}

/// Takes bytes as they come, in pieces of any size.
#[derive(Debug)]
pub struct Lines {
    escape: Escape,
    current: Vec<u8>,
    /// A carriage return was seen and what follows is not known yet.
    returned: bool,
    /// This length of the current line was already given out as partial.
    given: usize,
    redrawn: VecDeque<Vec<u8>>,
}

impl Default for Lines {
    fn default() -> Self {
        Lines {
            escape: Escape::None,
            current: Vec::new(),
            returned: false,
            given: 0,
            redrawn: VecDeque::new(),
        }
    }
}

impl Lines {
    /// Takes bytes; gives every line that they complete.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Line>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    /// A line has begun and its end has not come.
    pub fn pending(&self) -> bool {
        self.current.len() > self.given
    }

    /// Nothing came for a while: what is there is a prompt. Given out once.
    pub fn quiet(&mut self) -> Option<Line> {
        if !self.pending() || blank(&self.current) {
            return None;
        }
        self.given = self.current.len();
        let line = Line {
            text: text(&self.current),
            partial: true,
        };
        (!self.folded()).then_some(line)
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Line>) {
        match self.escape {
            Escape::Start => {
                self.escape = match byte {
                    b'[' => Escape::Csi,
                    b']' | b'P' | b'X' | b'^' | b'_' => Escape::Text,
                    b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ' => Escape::One,
                    b'c' | b'D' | b'E' | b'M' => {
                        self.redraw(out);
                        Escape::None
                    }
                    _ => Escape::None,
                };
            }
            Escape::Csi => match byte {
                0x40..=0x7e => {
                    self.escape = Escape::None;
                    // Cursor moves to another place, or the screen is wiped: what stands there is a line of its own.
                    if matches!(
                        byte,
                        b'A' | b'B' | b'E' | b'F' | b'G' | b'H' | b'J' | b'd' | b'f'
                    ) {
                        self.redraw(out);
                    }
                }
                0x1b => self.escape = Escape::Start,
                0x20..=0x3f => {}
                // A control byte in the middle: the sequence is broken.
                _ => self.escape = Escape::None,
            },
            Escape::Text => match byte {
                0x07 => self.escape = Escape::None,
                0x1b => self.escape = Escape::Start,
                // An unterminated string must not swallow the log.
                b'\n' => {
                    self.escape = Escape::None;
                    self.byte(byte, out);
                }
                _ => {}
            },
            Escape::One => self.escape = Escape::None,
            Escape::None => self.plain(byte, out),
        }
    }

    fn plain(&mut self, byte: u8, out: &mut Vec<Line>) {
        match byte {
            0x1b => self.escape = Escape::Start,
            b'\r' => self.returned = true,
            b'\n' => {
                self.returned = false;
                self.end(out);
            }
            0x08 => {
                self.current.pop();
            }
            b'\t' | 0x20..=0xff => {
                if self.returned {
                    self.returned = false;
                    self.redraw(out);
                }
                self.current.push(byte);
                if self.current.len() >= LINE_CAP {
                    self.end(out);
                }
            }
            _ => {}
        }
    }

    /// A newline ended the line.
    fn end(&mut self, out: &mut Vec<Line>) {
        if !blank(&self.current) {
            out.push(Line {
                text: text(&self.current),
                partial: false,
            });
        }
        self.clear();
    }

    /// The line is left to be written over: give it out unless it only repeats what stood there, in other digits.
    fn redraw(&mut self, out: &mut Vec<Line>) {
        if !blank(&self.current) && !self.folded() {
            out.push(Line {
                text: text(&self.current),
                partial: false,
            });
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.current.clear();
        self.given = 0;
    }

    /// The current line, digits and spinner aside, was seen lately. Remembers it.
    fn folded(&mut self) -> bool {
        let shape: Vec<u8> = self
            .current
            .iter()
            .filter(|b| !matches!(b, b'*' | b' ' | b'0'..=b'9'))
            .copied()
            .collect();
        if self.redrawn.contains(&shape) {
            return true;
        }
        if self.redrawn.len() == REDRAWS {
            self.redrawn.pop_front();
        }
        self.redrawn.push_back(shape);
        false
    }
}

fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| matches!(b, b' ' | b'\t'))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        // Whatever the pieces are, the lines are the same.
        let mut whole = Vec::new();
        Lines::default().push(bytes, &mut whole);
        let mut single = Vec::new();
        let mut assembler = Lines::default();
        for byte in bytes {
            assembler.push(std::slice::from_ref(byte), &mut single);
        }
        assert_eq!(whole, single);
        whole.into_iter().map(|l| l.text).collect()
    }

    #[test]
    fn firmware_output_loses_its_colours_and_its_countdown() {
        let shell = b"\x1b[2J\x1b[01;01H\x1b[=3h\x1b[1m\x1b[33m\x1b[40mMapping table\x1b[0m\r\n\
            \x1b[07;01HPress \x1b[1mESC\x1b[0m in 5 seconds to skip\x1b[07;01HPress \x1b[1mESC\x1b[0m in 4 seconds to skip\
            \x1b[08;01H\x1b[1mShell> \x1b[0m";
        assert_eq!(
            lines(shell),
            ["Mapping table", "Press ESC in 5 seconds to skip"]
        );
        let mut assembler = Lines::default();
        assembler.push(shell, &mut Vec::new());
        assert_eq!(assembler.quiet().unwrap().text, "Shell>");
        assert_eq!(assembler.quiet(), None);
    }

    #[test]
    fn a_start_job_that_counts_is_one_line() {
        let running = b"\r\x1b[K[ \x1b[0;31m*\x1b[0;1;31m*\x1b[0m ] A start job is running for x (4s / 1min 30s)\
            \r\x1b[K[\x1b[0;31m*\x1b[0;1;31m* \x1b[0m ] A start job is running for x (5s / 1min 30s)\r\x1b[K[  OK  ] Done\r\n";
        assert_eq!(
            lines(running),
            [
                "[ ** ] A start job is running for x (4s / 1min 30s)",
                "[  OK  ] Done"
            ]
        );
    }

    #[test]
    fn repeated_ordinary_lines_are_kept() {
        assert_eq!(lines(b"a 1\r\na 2\r\r\n\r\na 2\n"), ["a 1", "a 2", "a 2"]);
    }

    #[test]
    fn an_unterminated_escape_string_swallows_one_line_only() {
        assert_eq!(lines(b"\x1b]0;title never ends\nnext\n"), ["next"]);
        assert_eq!(lines(b"\x1b[12\x01x\n"), ["x"]);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; LINE_CAP * 2 + 1];
        assert_eq!(lines(&long).len(), 2);
    }

    #[test]
    fn a_prompt_that_goes_on_is_given_again_as_a_whole() {
        let mut assembler = Lines::default();
        let mut out = Vec::new();
        assembler.push(b"login: ", &mut out);
        assert!(assembler.quiet().unwrap().partial);
        assembler.push(b"root\n", &mut out);
        assert_eq!(out[0].text, "login: root");
    }
}
