//! The shell's input and output are the shell device, and are opened when it exists.

use super::Script;
use super::streams::{Stream, Target, walk};
use crate::checks::device_race::{Need, judge_need, streams_need};
use crate::checks::{Answer, Confidence, Context, Violation};

pub fn judge(cx: &Context<'_>, script: &Script<'_>) -> Answer {
    let path = cx.device_path();
    let walk = walk(script);
    let streams = walk.final_streams();
    let mut violations = Vec::new();
    let mut unknown = false;
    for (fd, what) in [(1, "output"), (0, "input")] {
        let stream = streams.get(&fd);
        match stream.map(|s| &s.target) {
            Some(Target::Path(target)) if *target == path => {}
            Some(Target::Unknown) => unknown = true,
            Some(Target::Path(target)) => violations.push(at(script, stream, format!(
                "the shell's {what} is {target}; the test driver is on {path}"
            ))),
            Some(Target::Default) | None => violations.push(at(script, stream, format!(
                "nothing connects the shell's {what} to {path}: it is what systemd gives a service"
            ))),
        }
    }
    // One line often sets both.
    if let [first, second] = violations.as_slice()
        && first.location == second.location
    {
        violations.truncate(1);
    }
    // Another program may be handed the device (socat, agetty, a function).
    let handed = names_device(script, &walk, &path) && walk.shell().is_none();
    match violations.is_empty() {
        false if handed => Answer::cannot_tell(
            "another program than a shell is given the device",
            script.place(),
        ),
        false => Answer::Violated(violations),
        true if unknown => Answer::cannot_tell(
            "where the script's streams lead is only known when it runs",
            script.place(),
        ),
        true => too_early(cx, script),
    }
}

fn at(script: &Script<'_>, stream: Option<&Stream>, message: String) -> Violation {
    match stream.and_then(|s| s.line) {
        Some(line) => Violation::at_line(&script.at(line), message),
        None => Violation::at(script.place(), message),
    }
    .confidence(Confidence::Likely)
}

fn names_device(script: &Script<'_>, walk: &super::streams::Walk<'_>, path: &str) -> bool {
    let words = walk.steps.iter().flat_map(|s| s.words.iter().flatten());
    let mentioned = words.into_iter().any(|w| w.contains(path));
    mentioned || script.text.contains(path)
}

/// The device is right; is it there when the script opens it? A condition on it is the other rule's.
fn too_early(cx: &Context<'_>, script: &Script<'_>) -> Answer {
    let Some(systemd) = cx.systemd() else {
        return Answer::without(&cx.facts.systemd);
    };
    if Need::of(script.unit, cx).is_some() {
        return Answer::Satisfied;
    }
    match streams_need(script, cx) {
        Some(need) => match judge_need(cx, systemd, script.unit, &need) {
            Answer::NotApplicable => Answer::Satisfied,
            other => other,
        },
        None => Answer::Satisfied,
    }
}
