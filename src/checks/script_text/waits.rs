//! Devices that the script waits for.

use super::Script;
use super::streams::walk;
use crate::checks::{Answer, Confidence, Context, Presence, Violation};
use crate::inspect::shell::{Command, Variables};

/// Paths below `/dev` that the script waits for: in the condition or body of a `while` or `until` loop, or by a command
/// that waits. With the line.
fn waited(script: &Script<'_>) -> Vec<(u32, String)> {
    let mut out = Vec::new();
    let mut variables = Variables::new();
    for command in &script.commands {
        command.assign(&mut variables);
        let program = command.program(&variables);
        let program = program.as_deref().unwrap_or_default();
        let arguments = command.arguments(&variables);
        let waits = match program {
            "udevadm" => arguments.first() == Some(&Some("wait".to_owned())),
            "inotifywait" => true,
            "[" | "test" | "[[" | "ls" | "stat" => command.looped,
            // `while ! exec 2>/dev/ttyS0; do sleep 1; done`
            _ => command.looped && command.tested && !command.redirects.is_empty(),
        };
        if waits {
            let words = arguments.into_iter().flatten();
            out.extend(
                words
                    .chain(opened(command, &variables))
                    .filter(|w| w.starts_with("/dev/"))
                    .map(|w| (command.line, w)),
            );
        }
    }
    out
}

fn opened(command: &Command, variables: &Variables) -> Vec<String> {
    command
        .redirects
        .iter()
        .filter_map(|r| r.target.expand(variables))
        .collect()
}

/// The script waits for this path before it uses it, or for udev as a whole.
pub fn waits_for(script: &Script<'_>, path: &str) -> bool {
    let settles = walk(script)
        .steps
        .iter()
        .any(|s| s.program() == Some("udevadm") && s.words.iter().flatten().any(|w| w == "settle"));
    // A counted loop that tests for it is a wait too, as long as it is patient.
    let counted = script.commands.iter().any(|c| {
        let program = c.program(&Variables::new());
        matches!(program.as_deref(), Some("[" | "test" | "[["))
            && c.words.iter().any(|w| w.plain().as_deref() == Some(path))
    }) && script.text.contains("sleep");
    settles || counted || waited(script).iter().any(|(_, waited)| waited == path)
}

/// The script waits only for devices that the machine has.
pub fn judge(cx: &Context<'_>, script: &Script<'_>, devices: &[String]) -> Answer {
    let machine = cx.machine();
    let known = |path: &str| {
        let name = path.trim_start_matches("/dev/");
        devices.iter().any(|d| d == name)
    };
    let waited = waited(script);
    if waited.is_empty() {
        return Answer::NotApplicable;
    }
    let violations: Vec<Violation> = waited
        .iter()
        .filter(|(_, path)| machine.device(path) == Presence::Never && !known(path))
        .map(|(line, path)| {
            Violation::at_line(
                &script.at(*line),
                format!(
                    "the script waits for {path}, which the test driver's machine does not have"
                ),
            )
            .confidence(Confidence::Possible)
        })
        .collect();
    let unknown = waited
        .iter()
        .find(|(_, path)| machine.device(path) == Presence::Unknown && !known(path));
    match unknown {
        Some((_, path)) if violations.is_empty() => Answer::cannot_tell(
            format!("whether the machine has {path} is not known"),
            script.place(),
        ),
        _ => Answer::from_violations(violations),
    }
}
