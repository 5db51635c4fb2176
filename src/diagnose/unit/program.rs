//! The unit's program: not executed, not set up, failed, or silent.

use super::{Story, module};
use crate::boot::timeline::{Event, Source};
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::candidate::{Candidate, evidence_of};
use crate::diagnose::verdict::Evidence;
use crate::diagnose::words;
use crate::stage::Stage;

/// 203/EXEC.
pub fn not_executed(story: Story<'_>, reason: &str) -> Candidate {
    let lower = reason.to_ascii_lowercase();
    let id = if lower.contains("permission denied") {
        "script-not-executable"
    } else if lower.contains("exec format") {
        "script-interpreter-missing"
    } else {
        "script-missing"
    };
    let why = if reason.is_empty() {
        "203/EXEC"
    } else {
        reason
    };
    Candidate::new(
        Stage::Script,
        Cp::ScriptRunnable,
        id,
        format!(
            "the program of {} could not be executed: {why}",
            story.unit()
        ),
    )
    .specific(7)
}

/// 208/STDIN, 209/STDOUT, 226/NAMESPACE, …
pub fn not_set_up(story: Story<'_>, status: &str) -> Candidate {
    if story.device_never_came() && (status.contains("STD") || status.contains("TTY")) {
        return module::no_device(story);
    }
    // systemd.exec(5), "Process Exit Codes": 208/STDIN, 209/STDOUT, 222/STDERR are the streams; the rest is user, directory, namespace, …
    let (point, id, what) = if status.contains("STD") || status.contains("TTY") {
        (Cp::StdioRedirect, "stdio-setup-failed", "the streams")
    } else {
        (
            Cp::ScriptRunnable,
            "start-setup-failed",
            "what the program is to run in (user, directory, sandbox)",
        )
    };
    let cause = format!(
        "systemd could not set up {what} of {}: {status}",
        story.unit()
    );
    Candidate::new(Stage::Script, point, id, cause).specific(7)
}

/// Its type wants a sign that the start is complete, and none came.
pub fn start_timed_out(story: Story<'_>) -> Candidate {
    if story.device_never_came() {
        return module::no_device(story);
    }
    let spoke = story.case.stages.reached(Stage::Script);
    let stage = if spoke { Stage::Shell } else { Stage::Script };
    let cause = format!(
        "systemd ended {}, because its start was not complete within TimeoutStartSec=",
        story.unit()
    );
    // What the shell's end leaves on the terminal looks like something else.
    Candidate::new(stage, Cp::ScriptRunnable, "unit-start-timeout", cause).specific(9)
}

/// It ran and ended with an error.
pub fn failed(story: Story<'_>, status: &str, start_limit: bool) -> Candidate {
    if story.device_never_came() {
        return module::no_device(story);
    }
    let said = script_words(story);
    let says = |words: &[&str]| {
        said.iter()
            .any(|e| words.iter().any(|w| e.text.contains(w)))
    };
    let again = if start_limit {
        ", again and again, until systemd gave up"
    } else {
        ""
    };
    let with = if status.is_empty() {
        "with an error".to_owned()
    } else {
        format!("with status {status}")
    };
    let ended = format!("the script of {} ended {with}{again}", story.unit());
    // sh(1), "Exit status": 127 is a command that was not found, 126 one that could not be executed.
    let missing_tool = says(&["command not found", ": not found"])
        || matches!(status.split('/').next(), Some("127" | "126"));
    let denied = denied(story);
    let about_device = denied.is_some()
        || said
            .iter()
            .any(|e| e.text.contains("/dev/") && denies(&e.text));
    let found = if missing_tool && !about_device {
        Candidate::new(
            Stage::Script,
            Cp::ScriptRunnable,
            "script-tool-missing",
            format!("{ended}: a program that it calls is not there"),
        )
        .specific(7)
    } else if about_device {
        Candidate::new(
            Stage::Script,
            Cp::StdioRedirect,
            "script-redirects-elsewhere",
            format!("{ended}: it could not open its device"),
        )
        .specific(7)
    } else {
        Candidate::new(Stage::Script, Cp::ScriptRunnable, "script-failed", ended).specific(6)
    };
    found.because(denied).because(said)
}

/// What the script, or a program that it called, said of the shell device, on any channel.
fn denied(story: Story<'_>) -> Option<Evidence> {
    let path = story.path();
    story.case.timeline.iter().find_map(|line| {
        let text = words::text(line)?;
        let (_, reason) = text.split_once(&format!("{path}: "))?;
        let own = line.source != Source::Shell && denies(reason);
        own.then(|| evidence_of(line, text))
    })
}

/// strerror(3) of what open(2) says.
fn denies(text: &str) -> bool {
    [
        "No such",
        "ermission denied",
        "not permitted",
        "Input/output error",
        "cannot",
    ]
    .iter()
    .any(|w| text.contains(w))
}

/// What the script itself wrote to its log.
fn script_words(story: Story<'_>) -> Vec<Evidence> {
    let own = |event: &Event| {
        matches!(event, Event::Journal { unit: Some(u), identifier, .. }
            if u == story.unit() && identifier.as_deref().is_none_or(|i| i != "systemd"))
    };
    let lines = story.case.timeline.iter().filter(|o| own(&o.event));
    let mut said: Vec<Evidence> = Vec::new();
    for line in lines {
        let Some(text) = words::text(line) else {
            continue;
        };
        if said.len() < 3 && said.iter().all(|e| e.text != text) {
            said.push(evidence_of(line, text));
        }
    }
    said
}

/// The magic line in the journal: a redirection that failed leaves the script's output where systemd put it.
fn astray(story: Story<'_>) -> Option<Evidence> {
    let magic = story.case.names.profile.magic.as_str();
    let line = story.case.timeline.iter().find(|o| {
        o.source == Source::Journal && words::text(o).is_some_and(|text| text.contains(magic))
    })?;
    Some(evidence_of(line, words::text(line)?))
}

/// The unit was started, and no magic line came.
pub fn silent(story: Story<'_>) -> Candidate {
    if story.device_never_came() {
        return module::no_device(story);
    }
    let path = story.path();
    if let Some(line) = astray(story) {
        return Candidate::new(
            Stage::Shell,
            Cp::StdioRedirect,
            "script-redirects-elsewhere",
            format!("the magic line went to the journal and not to {path}: the script's redirection failed or names another device"),
        )
        .specific(8)
        .because([line]);
    }
    let shell: Vec<Evidence> = story
        .case
        .timeline
        .iter()
        .filter(|o| matches!(o.event, Event::ShellLine { .. }))
        .filter_map(|o| Some(evidence_of(o, words::text(o)?)))
        .take(3)
        .collect();
    if story.device.written || !shell.is_empty() {
        return Candidate::new(
            Stage::Shell,
            Cp::StdioRedirect,
            "magic-line-missing",
            format!(
                "something was written to {path}, but never the line {:?}",
                story.case.names.profile.magic
            ),
        )
        .specific(4)
        .because(shell);
    }
    Candidate::new(
        Stage::Shell,
        Cp::StdioRedirect,
        "script-silent",
        format!("{} was started and wrote nothing to {path}", story.unit()),
    )
    .specific(3)
    .because(script_words(story))
}
