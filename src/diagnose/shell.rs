//! The magic line came, and the driver's protocol does not work, or works no longer.

use super::Case;
use super::candidate::{Candidate, evidence_of};
use crate::boot::timeline::Event;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// The shell answered, and later something else took the terminal. An answer that merely came too late is not that.
pub fn lost_again(case: &Case<'_>) -> bool {
    let last = case.timeline.iter().rev().find_map(|o| match &o.event {
        Event::ShellBroken { got, .. } => Some(intruder(got).is_some()),
        Event::ShellAnswered { .. } => Some(false),
        _ => None,
    });
    last.unwrap_or(false)
}

/// What the bytes in place of an answer give away: critical point, cause id, cause.
fn intruder(got: &str) -> Option<(Cp, &'static str, &'static str)> {
    // agetty resets the terminal (soft reset, colours) before it prints its prompt. The driver's transcript may show escapes
    // spelled out.
    let getty = ["login:", "\u{1b}[!p", "\u{1b}]104", "u{1b}[!p", "u{1b}]104"];
    let prompt = |l: &str| {
        let l = l.trim_end_matches([' ', '\r']);
        let first = l.split(' ').next().unwrap_or_default();
        let ends = |text: &str| text.len() > 1 && (text.ends_with('#') || text.ends_with('$'));
        ends(l) || ends(first) || l.contains(":~#") || l.contains(":/#")
    };
    let kernel = |l: &str| l.trim_start().starts_with('[') && l.contains("] ") && l.contains('.');
    if getty.iter().any(|mark| got.contains(mark)) {
        Some((
            Cp::GettyMasking,
            "getty-owns-shell-device",
            "a getty takes the shell device over: its terminal reset or login prompt came in place of an answer",
        ))
    } else if got.lines().any(prompt) || got.contains("job control") {
        Some((
            Cp::StdioRedirect,
            "shell-interactive",
            "the shell is interactive: its prompt gets into the driver's protocol",
        ))
    } else if got.contains("base64 -w 0") || got.contains("PIPESTATUS") {
        Some((
            Cp::StdioRedirect,
            "shell-not-raw",
            "the terminal echoes what the driver sends: `stty raw -echo` is missing",
        ))
    } else if got.lines().any(kernel) {
        Some((
            Cp::CmdlineConsole,
            "console-on-shell-device",
            "log text comes in place of an answer: something writes to the shell device",
        ))
    } else {
        None
    }
}

/// What the wrong answer shows.
pub fn candidate(case: &Case<'_>) -> Option<Candidate> {
    let magic = case
        .timeline
        .iter()
        .find(|o| matches!(o.event, Event::MagicLine { .. }))?;
    let (seen, got) = case.timeline.iter().rev().find_map(|o| match &o.event {
        Event::ShellBroken { got, .. } => Some((o, got)),
        _ => None,
    })?;
    let answered = case
        .timeline
        .iter()
        .any(|o| matches!(o.event, Event::ShellAnswered { .. }));
    let (point, id, cause, specific) = match intruder(got) {
        // It was raw at first: only another program that opened the terminal can have changed that.
        Some((_, "shell-not-raw", _)) if answered => (
            Cp::GettyMasking,
            "getty-owns-shell-device",
            "the terminal was reset after the shell had answered: another program, a getty most likely, opened the device",
            8,
        ),
        Some((point, id, cause)) => (point, id, cause, 8),
        None => (
            Cp::StdioRedirect,
            "shell-no-answer",
            "the shell does not answer the driver's protocol",
            4,
        ),
    };
    Some(
        Candidate::new(Stage::Shell, point, id, cause)
            .specific(specific)
            .because([
                evidence_of(magic, "the magic line arrived"),
                evidence_of(seen, format!("instead of an answer: {got:?}")),
            ]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_away_who_wrote_them() {
        let id = |got: &str| intruder(got).map(|(_, id, _)| id);
        assert_eq!(id("debian login: "), Some("getty-owns-shell-device"));
        assert_eq!(id("\u{1b}[!p"), Some("getty-owns-shell-device"));
        assert_eq!(
            id("root@isar:/# ( id ) | base64 -w 0; echo\n"),
            Some("shell-interactive")
        );
        assert_eq!(id("bash-5.2# cm9vdAo=\n"), Some("shell-interactive"));
        assert_eq!(
            id("( id ) | base64 -w 0; echo ${PIPESTATUS[0]}\n"),
            Some("shell-not-raw")
        );
        assert_eq!(
            id("[   12.345678] random: crng init done"),
            Some("console-on-shell-device")
        );
        assert_eq!(id("cm9vdAo="), None);
    }
}
