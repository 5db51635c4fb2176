//! The NixOS test driver's shell protocol, spoken as the driver speaks it (`nixos/lib/test-driver`, `Machine.connect`,
//! `Machine.execute`), weaknesses included: what breaks the driver must break here too.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The driver looks for the magic line in each piece of this size by itself.
pub const CONNECT_CHUNK: usize = 1024;
/// And reads answers in pieces of this size.
pub const ANSWER_CHUNK: usize = 4096;
/// Asks for the exit code of the first command of the pipe.
pub const STATUS_QUERY: &str = "echo ${PIPESTATUS[0]}\n";

/// The line sent for a command.
pub fn command_line(command: &str, timeout: u32) -> String {
    let quoted = quote(&format!("set -euo pipefail; {command}"));
    format!("timeout {timeout} bash -c {quoted} | (base64 -w 0; echo)\n")
}

/// `shlex.quote` of Python.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

/// What was found when the magic line arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes before the magic line, line ends not counted.
    pub noise: usize,
    /// The driver would not have seen it: no single piece holds it.
    pub split: bool,
    /// Bytes behind the magic line and its line end, which the driver throws away.
    pub behind: usize,
}

/// Looks for the magic line in a stream.
#[derive(Debug)]
pub struct Search {
    magic: Vec<u8>,
    /// The last bytes of what came before, one less than the magic line is long.
    tail: Vec<u8>,
    noise: usize,
}

impl Search {
    /// A search for `magic`.
    pub fn new(magic: &str) -> Search {
        Search {
            magic: magic.as_bytes().to_vec(),
            tail: Vec::new(),
            noise: 0,
        }
    }

    /// Takes one piece as `recv(2)` returned it.
    pub fn take(&mut self, piece: &[u8]) -> Option<Found> {
        let mut window = std::mem::take(&mut self.tail);
        let before = window.len();
        window.extend_from_slice(piece);
        if let Some(at) = find(&window, &self.magic) {
            let rest = &window[at + self.magic.len()..];
            return Some(Found {
                noise: self.noise + count_noise(&window[..at]),
                split: at < before,
                behind: count_noise(rest),
            });
        }
        let keep = window.len().min(self.magic.len().saturating_sub(1));
        let leaving = window.len() - keep;
        self.noise += count_noise(&window[..leaving]);
        self.tail = window.split_off(leaving);
        None
    }
}

fn count_noise(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| !matches!(b, b'\r' | b'\n')).count()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Decodes an answer as Python's `base64.b64decode` does: bytes outside the alphabet are thrown away, padding must be right.
pub fn decode_answer(answer: &[u8]) -> Option<Vec<u8>> {
    let kept: Vec<u8> = answer
        .iter()
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        .copied()
        .collect();
    let engine = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
            .with_decode_allow_trailing_bits(true),
    );
    engine.decode(kept).ok()
}

/// Python's `int(text.strip())` for an exit code.
pub fn decode_status(answer: &[u8]) -> Option<i32> {
    std::str::from_utf8(answer).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: &str = "Spawning backdoor root shell...";

    #[test]
    fn a_clean_line_in_one_piece() {
        let mut search = Search::new(MAGIC);
        let found = search.take(b"Spawning backdoor root shell...\n").unwrap();
        assert_eq!(
            found,
            Found {
                noise: 0,
                split: false,
                behind: 0
            }
        );
    }

    #[test]
    fn a_line_over_two_pieces_is_found_where_the_driver_misses_it() {
        for cut in 1..MAGIC.len() {
            let mut search = Search::new(MAGIC);
            assert_eq!(
                search.take(&[b"login: ", &MAGIC.as_bytes()[..cut]].concat()),
                None
            );
            let found = search.take(&MAGIC.as_bytes()[cut..]).unwrap();
            assert!(found.split && found.noise == 7, "cut at {cut}: {found:?}");
        }
    }

    #[test]
    fn noise_is_counted_over_many_pieces() {
        let mut search = Search::new(MAGIC);
        for _ in 0..100 {
            assert_eq!(search.take(b"0123456789\r\n"), None);
        }
        let found = search.take(b"Spawning backdoor root shell...\n# ").unwrap();
        assert_eq!((found.noise, found.split, found.behind), (1000, false, 2));
        assert_eq!(Search::new("").take(b"x"), None);
    }

    #[test]
    fn answers_are_decoded_as_python_does() {
        assert_eq!(decode_answer(b"aGVsbG8K\n").unwrap(), b"hello\n");
        assert_eq!(
            decode_answer(b"\n").unwrap(),
            b"",
            "no output is an empty line"
        );
        assert_eq!(decode_answer(b"aGVsbG8\n"), None, "padding is wrong");
        assert_eq!(
            decode_answer(b"\x1b aGVs bG8K\n").unwrap(),
            b"hello\n",
            "strange bytes are skipped"
        );
        assert_eq!(decode_status(b" 124\r\n"), Some(124));
        assert_eq!(decode_status(b"bash: x\n"), None);
    }

    #[test]
    fn commands_are_quoted_for_the_shell() {
        assert_eq!(
            command_line("echo 'a b'", 900),
            "timeout 900 bash -c 'set -euo pipefail; echo '\"'\"'a b'\"'\"'' | (base64 -w 0; echo)\n"
        );
    }
}
