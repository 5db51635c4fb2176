//! Programs that the script calls and the image lacks.

use super::streams::{Step, walk};
use super::{Script, base_name};
use crate::checks::{Answer, Confidence, Context, Violation};
use crate::rules::Severity;
use std::collections::BTreeSet;

pub fn judge(cx: &Context<'_>, script: &Script<'_>) -> Answer {
    let missing = &cx.facts.missing_commands;
    let walk = walk(script);
    let shell_line = walk.shell().map(|s| s.command.line);
    let mut strict = shebang_is_strict(&script.text);
    let mut told = BTreeSet::new();
    let mut violations = Vec::new();
    for step in &walk.steps {
        strict = errexit(step).unwrap_or(strict);
        let Some(name) = called(step, missing) else {
            continue;
        };
        if step.command.tested || !told.insert(name.clone()) {
            continue;
        }
        let replaces = step
            .command
            .words
            .first()
            .and_then(|w| w.plain())
            .is_some_and(|w| w == "exec");
        let (severity, why) = if strict {
            (Severity::Error, "and `set -e` ends the script there")
        } else if replaces || Some(step.command.line) == shell_line {
            (Severity::Error, "and the script becomes that program")
        } else if base_name(&name) == "stty" {
            (
                Severity::Error,
                "so the terminal keeps echoing into the protocol",
            )
        } else {
            (Severity::Warning, "and the script goes on without it")
        };
        violations.push(
            Violation::at_line(
                &script.at(step.command.line),
                format!("the script calls `{name}`, which is not in the image, {why}"),
            )
            .severity(severity)
            .confidence(Confidence::Likely),
        );
    }
    Answer::from_violations(violations)
}

fn called(step: &Step<'_>, missing: &BTreeSet<String>) -> Option<String> {
    let written = step.command.words.first().and_then(|w| w.plain());
    let inner = step.words.first().cloned().flatten();
    [written, inner]
        .into_iter()
        .flatten()
        .find(|name| missing.contains(name))
}

/// `set -e`, `set +e`, `set -o errexit`, also among other letters.
fn errexit(step: &Step<'_>) -> Option<bool> {
    if step.program() != Some("set") {
        return None;
    }
    let mut words = step.words.iter().skip(1).flatten();
    let mut state = None;
    while let Some(word) = words.next() {
        let on = word.starts_with('-');
        let Some(letters) = word.strip_prefix(['-', '+']) else {
            break;
        };
        if letters.ends_with('o') && words.next().is_some_and(|w| w == "errexit")
            || letters.contains('e')
        {
            state = Some(on);
        }
    }
    state
}

fn shebang_is_strict(text: &str) -> bool {
    text.lines()
        .next()
        .and_then(|l| l.strip_prefix("#!"))
        .is_some_and(|l| {
            l.split_whitespace()
                .skip(1)
                .any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains('e'))
        })
}
