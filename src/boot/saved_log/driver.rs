//! The NixOS test driver's output (nixos/lib/test-driver, `logger.py` and `machine`): `NAME # line` is the machine's serial port,
//! `NAME: text` the driver about it. `nix build` puts the derivation's name in front (`vm-test-run-x> `).

use crate::boot::interview::DRIVER;
use crate::boot::timeline::{Event, Source};
use regex::Regex;
use std::sync::LazyLock;

/// The magic line that the driver waits for.
const MAGIC: &[u8] = b"Spawning backdoor root shell...";
/// Lines that make a driver's log.
const ENOUGH: usize = 2;

static LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([A-Za-z_][A-Za-z0-9_-]{0,62})( # ?|: )(.*)$").ok());
/// nix's own names for such derivations; anything may be in front of a `> ` prompt.
static DERIVATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:nixos-test-driver|vm-test-run|vm-test)[A-Za-z0-9+._?=-]*> ").ok()
});

/// What a line tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Said<'a> {
    /// The machine's serial port.
    Serial(&'a str),
    /// The driver.
    Event(Source, Event),
}

/// A line without the derivation's name.
pub fn without_derivation(text: &str) -> &str {
    match DERIVATION.as_ref().and_then(|d| d.find(text)) {
        Some(name) => &text[name.end()..],
        None => text,
    }
}

/// Whether some lines are the driver's.
pub fn is_driver_log<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    // `NAME: ` alone is how half of all programs log.
    let telling = |line: &str| {
        let parts = LINE.as_ref().and_then(|l| l.captures(line));
        parts.is_some_and(|p| p[2].starts_with(" #") || is_about_machine(&p[3]))
    };
    lines.filter(|line| telling(line)).take(ENOUGH).count() == ENOUGH
}

/// Machine and what is told. `None` for the driver's lines about nothing in particular.
pub fn line(text: &str) -> Option<(&str, Said<'_>)> {
    let parts = LINE.as_ref()?.captures(text)?;
    let (name, rest) = (parts.get(1)?.as_str(), parts.get(3)?.as_str());
    if parts[2].starts_with(" #") {
        return Some((name, Said::Serial(rest)));
    }
    let (source, event) = about_machine(rest)?;
    Some((name, Said::Event(source, event)))
}

const START: &str = "QEMU running (pid ";
const SAYS: &[&str] = &["Guest shell says: ", "guest shell says: "];
const SILENT: &[&str] = &[
    "Guest root shell did not produce any data yet",
    "guest root shell did not produce any data yet",
];
const CONNECTED: &str = "connected to guest root shell";

fn is_about_machine(text: &str) -> bool {
    let says = SAYS.iter().chain(SILENT).any(|s| text.starts_with(s));
    says || text.starts_with(START)
        || text == CONNECTED
        || text == "starting vm"
        || text.starts_with("waiting for the VM to finish booting")
}

fn about_machine(text: &str) -> Option<(Source, Event)> {
    let note = |source| {
        let text = format!("test driver: {text}");
        Some((source, Event::Note { text }))
    };
    if text.starts_with(START) {
        let event = Event::Started {
            qemu: "of unknown version".to_owned(),
            accel: "accelerator unknown".to_owned(),
        };
        return Some((Source::Qemu, event));
    }
    if let Some(said) = SAYS.iter().find_map(|s| text.strip_prefix(s)) {
        return Some((Source::Shell, shell(&bytes(said))));
    }
    if SILENT.iter().any(|s| text.starts_with(s)) {
        return note(Source::Shell);
    }
    // Connecting proves the magic line alone; a finished command, whatever it found, proves a shell that answers.
    let finished = text.strip_prefix("(finished: ").unwrap_or_default();
    let asked = [
        "must succeed: ",
        "must fail: ",
        "waiting for unit ",
        "waiting for success: ",
    ];
    if asked.iter().any(|a| finished.starts_with(a)) {
        let event = Event::ShellAnswered {
            command: format!("{DRIVER} {}", finished.trim_end_matches(')')),
            output: String::new(),
            code: 0,
        };
        return Some((Source::Shell, event));
    }
    is_about_machine(text)
        .then(|| note(Source::Doctor))
        .flatten()
}

/// What came over the shell device.
fn shell(chunk: &[u8]) -> Event {
    match chunk.windows(MAGIC.len()).position(|w| w == MAGIC) {
        Some(noise) => Event::MagicLine {
            noise,
            split: false,
        },
        None => Event::ShellLine {
            text: String::from_utf8_lossy(chunk).trim_end().to_owned(),
            partial: !chunk.ends_with(b"\n"),
        },
    }
}

/// The bytes of a Python `bytes` literal (`b'a\x1b\n'`).
fn bytes(literal: &str) -> Vec<u8> {
    let inside = literal
        .strip_prefix("b'")
        .or_else(|| literal.strip_prefix("b\""))
        .map_or(literal, |s| s.strip_suffix(['\'', '"']).unwrap_or(s));
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'x') => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                if let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) {
                    out.push((high * 16 + low) as u8);
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_literals() {
        assert_eq!(bytes(r"b'a\x1b[1m\r\n\'\\'"), b"a\x1b[1m\r\n'\\");
        assert_eq!(bytes("b\"it's\""), b"it's");
        assert_eq!(bytes(r"b'cut \x1"), b"cut ");
    }

    #[test]
    fn only_the_drivers_lines_make_a_drivers_log() {
        let is = |lines: &[&str]| is_driver_log(lines.iter().copied());
        assert!(is(&["server_1 # a", "server_1 # b"]));
        assert!(is(&["m: starting vm", "m: QEMU running (pid 7)"]));
        assert!(!is(&[
            "systemd: starting",
            "sh: 1: not found",
            "# comment",
            "a #b"
        ]));
        assert!(!is(&["only # one"]));
    }

    #[test]
    fn derivations_are_taken_off_and_prompts_are_not() {
        assert_eq!(
            without_derivation("vm-test-run-dhcp-simple> m # x"),
            "m # x"
        );
        assert_eq!(without_derivation("grub> m # x"), "grub> m # x");
    }
}
