//! The terminal's mode, and whether the shell on it is interactive.

use super::Script;
use super::streams::{Target, is_terminal, walk};
use crate::checks::{Answer, Confidence, Context, Violation};
use crate::rules::Severity;

/// `stty raw -echo` in any spelling, or socat's options for the same.
pub fn sets_raw(script: &Script<'_>) -> Answer {
    let walk = walk(script);
    let mut raw = false;
    let mut quiet = false;
    for step in walk.steps.iter().filter(|s| s.program() == Some("stty")) {
        let has = |word: &str| step.words.iter().flatten().any(|w| w == word);
        raw |= has("raw") || has("-cooked") || has("-icanon");
        quiet |= has("-echo");
    }
    let by_unit = script.unit.exec.iter().any(|e| {
        e.directive == "ExecStartPre"
            && e.path.ends_with("stty")
            && e.arguments.iter().any(|a| a == "raw")
            && e.arguments.iter().any(|a| a == "-echo")
    });
    let by_socat = script.text.contains("rawer") || script.text.contains("echo=0");
    if raw && quiet || by_unit || by_socat {
        return Answer::Satisfied;
    }
    let missing = match (raw, quiet) {
        (true, _) => {
            "it is raw, but still echoes the driver's commands into the protocol (no `-echo`)"
        }
        (_, true) => "it does not echo, but still translates line ends (no `raw`)",
        _ => {
            "it echoes the driver's commands into the protocol and translates line ends (no `stty raw -echo`)"
        }
    };
    let line = walk.final_streams().get(&0).and_then(|s| s.line);
    let message = format!("the script leaves the terminal in its default mode: {missing}");
    match line {
        Some(line) => Violation::at_line(&script.at(line), message),
        None => Violation::at(script.place(), message),
    }
    .confidence(Confidence::Likely)
    .into()
}

/// bash is interactive with `-i`, or without an operand and `-c` when its input and its errors are terminals
/// (bash(1), INVOCATION).
pub fn not_interactive(cx: &Context<'_>, script: &Script<'_>) -> Answer {
    let walk = walk(script);
    let Some(shell) = walk.shell() else {
        return Answer::NotApplicable;
    };
    let arguments = || shell.words.iter().skip(1);
    let short = |letter: char| {
        arguments()
            .flatten()
            .any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(letter))
    };
    let origin = script.at(shell.command.line);
    if short('i') {
        return Violation::at_line(
            &origin,
            "the shell is asked to be interactive (-i): its prompt and job control get into the driver's protocol",
        )
        .into();
    }
    // An option that takes a file is no operand of the shell's.
    let mut operands = arguments().skip_while(|w| w.as_deref().is_some_and(|w| w.starts_with('-')));
    if operands.next().is_some() && !short('s') {
        return Answer::Satisfied;
    }
    if !is_terminal(shell.target(0)) {
        return Answer::Satisfied;
    }
    let device = cx.device_path();
    match shell.target(2) {
        Target::Path(path) if *path == device => Violation::at_line(
            &origin,
            format!("the shell is interactive, because it has no operand and {device} is its input and its error stream: its prompt and job control get into the driver's protocol"),
        )
        .confidence(Confidence::Likely)
        .into(),
        other if is_terminal(other) => Violation::at_line(
            &origin,
            "the shell is interactive, because it has no operand and its error stream is a terminal: its prompts go there, and it complains about job control",
        )
        .severity(Severity::Pedantic)
        .into(),
        Target::Unknown => Answer::cannot_tell("where the shell's error stream leads is only known when it runs", script.place()),
        _ => Answer::Satisfied,
    }
}
