//! The line that the driver waits for is printed, on the shell device.

use super::Script;
use super::streams::{Step, Target, walk};
use crate::checks::{Answer, Confidence, Context, Violation};
use crate::inspect::shell::Mode;

/// Commands that print their arguments or their input.
const PRINTERS: &[&str] = &["echo", "printf", "cat", "tee", "/bin/echo"];

pub fn judge(cx: &Context<'_>, script: &Script<'_>) -> Answer {
    let magic = cx.profile.magic.as_str();
    let path = cx.device_path();
    let walk = walk(script);
    let printers = || {
        walk.steps
            .iter()
            .filter(|s| s.program().is_some_and(|p| PRINTERS.contains(&p)))
    };
    let says = |step: &&Step<'_>| printed(step).contains(magic);
    let mut elsewhere = None;
    for step in printers().filter(says) {
        match step.target(1) {
            Target::Path(target) if *target == path => return Answer::Satisfied,
            Target::Unknown => return Answer::Satisfied,
            Target::Path(target) => elsewhere = Some((step.command.line, target.clone())),
            Target::Default if step.program() == Some("tee") => return Answer::Satisfied,
            Target::Default => {
                elsewhere = Some((step.command.line, "what systemd gives a service".to_owned()));
            }
        }
    }
    if let Some((line, target)) = elsewhere {
        return Violation::at_line(
            &script.at(line),
            format!("the line the driver waits for is printed to {target}, not to {path}"),
        )
        .confidence(Confidence::Likely)
        .into();
    }
    // Printed by something that is not followed here (awk, a program in another language, a function's argument).
    if script.text.contains(magic) {
        return Answer::Satisfied;
    }
    let opaque = printers().find(|s| {
        matches!(s.target(1), Target::Path(target) if *target == path)
            && s.words.iter().any(Option::is_none)
    });
    if opaque.is_some() {
        return Answer::cannot_tell(
            "what the script prints is only known when it runs",
            script.place(),
        );
    }
    let message = format!("the script never prints the line the driver waits for: {magic:?}");
    let similar = printers().find(|s| alike(&printed(s), magic));
    match similar {
        Some(step) => Violation::at_line(&script.at(step.command.line), message),
        None => Violation::at(script.place(), message),
    }
    .confidence(Confidence::Likely)
    .into()
}

/// What a printing command prints, as far as it is known.
fn printed(step: &Step<'_>) -> String {
    let mut text: Vec<String> = step
        .words
        .iter()
        .skip(1)
        .map(|w| w.clone().unwrap_or_default())
        .collect();
    let here = step
        .command
        .redirects
        .iter()
        .filter(|r| r.mode == Mode::Here);
    text.extend(here.filter_map(|r| r.target.plain()));
    text.join(" ")
}

/// Shares a telling word with the magic line.
fn alike(text: &str, magic: &str) -> bool {
    let text = text.to_lowercase();
    magic
        .split_whitespace()
        .map(str::to_lowercase)
        .any(|w| w.len() > 5 && text.contains(w.trim_end_matches('.')))
}
