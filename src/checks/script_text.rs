//! What the backdoor's script says: its redirections, its magic line, its terminal mode, its tools.

use super::{Answer, Check, Context, Violation};
use crate::inspect::commands::COMMANDS;
use crate::inspect::error::Fact;
use crate::inspect::source::{Origin, SourceFile};
use crate::known;
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

/// Which aspect of the script is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Its standard streams go to the shell device.
    Redirects,
    /// It prints the magic line.
    PrintsMagic,
    /// It sets the terminal raw, without echo.
    SetsRaw,
    /// Its shell is not interactive.
    NotInteractive,
    /// It waits only for devices that the machine has.
    WaitsForExisting,
    /// The tools it needs are in the image.
    ToolsPresent,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptText {
    /// Which aspect.
    pub aspect: Aspect,
    /// Device names (without `/dev/`) that the machine has besides the shell device.
    #[serde(default)]
    pub devices: Vec<String>,
}

/// The script that the backdoor unit starts, when it is one.
pub fn script(cx: &Context<'_>) -> Option<Arc<SourceFile>> {
    cx.unit()?
        .exec
        .iter()
        .filter(|e| e.directive == "ExecStart")
        .find_map(|exec| match &exec.target {
            Some(Fact::Known(program)) => program.text.clone(),
            _ => None,
        })
}

static REDIRECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[\s;&|(])(?:\d|&)?(?:<>|>>|>\||[<>])(?:&)?\s*["']?(/dev/[\w./-]+)"#).ok()
});

/// Lines without comments, with their 1-based numbers.
pub fn code(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1u32..)
        .zip(text.lines())
        .map(|(n, line)| (n, strip_comment(line)))
        .filter(|(_, line)| !line.trim().is_empty())
}

fn strip_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").map_or(line, |at| &line[..at])
}

/// Redirections of the script's own streams (`exec < … > …`): line and device path.
pub fn redirects(text: &str) -> Vec<(u32, String)> {
    let Some(regex) = REDIRECT.as_ref() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in code(text) {
        let trimmed = line.trim_start();
        if !(trimmed.starts_with("exec ") || trimmed.contains(" exec ")) {
            continue;
        }
        for captures in regex.captures_iter(line) {
            let whole = captures.get(0).map_or("", |m| m.as_str());
            let descriptor = whole
                .trim_start_matches([' ', '\t', ';', '&', '|', '('])
                .chars()
                .next();
            // Streams 3 to 9 are the script's own business.
            if descriptor.is_some_and(|c| ('3'..='9').contains(&c)) {
                continue;
            }
            found.push((number, captures[1].to_owned()));
        }
    }
    found
}

/// The script tests for a path in a loop, or waits with udevadm or inotify.
pub fn waits_for(text: &str, path: &str) -> bool {
    code(text).any(|(_, line)| {
        let loops = line.contains("while")
            || line.contains("until")
            || line.contains("for ")
            || line.contains("udevadm")
            || line.contains("wait");
        let name = path.rsplit('/').next().unwrap_or(path);
        loops && (line.contains(path) || line.contains(name))
    }) || waits_in_loop(text, path)
}

fn waits_in_loop(text: &str, path: &str) -> bool {
    let mut depth = 0u32;
    for (_, line) in code(text) {
        let trimmed = line.trim_start();
        if trimmed.starts_with("while ")
            || trimmed.starts_with("until ")
            || trimmed.starts_with("for ")
        {
            depth += 1;
        }
        if depth > 0
            && line.contains(path)
            && (line.contains("-e ")
                || line.contains("-c ")
                || line.contains("-w ")
                || line.contains("test "))
        {
            return true;
        }
        if trimmed == "done" || trimmed.ends_with("; done") {
            depth = depth.saturating_sub(1);
        }
    }
    false
}

impl Check for ScriptText {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        known!(cx.facts.systemd);
        let Some(unit) = cx.unit() else {
            return Answer::NotApplicable;
        };
        let Some(script) = script(cx) else {
            return Answer::NotApplicable;
        };
        let stdio_by_unit = unit
            .value("Service", "StandardInput")
            .or(unit.value("Service", "TTYPath"))
            .is_some();
        match self.aspect {
            Aspect::Redirects => redirects_elsewhere(cx, &script, stdio_by_unit),
            Aspect::PrintsMagic => prints_magic(cx, &script),
            Aspect::SetsRaw => sets_raw(cx, &script),
            Aspect::NotInteractive => not_interactive(cx, &script),
            Aspect::WaitsForExisting => self.waits_for_existing(cx, &script),
            Aspect::ToolsPresent => tools_present(cx, &script),
        }
    }
}

fn redirects_elsewhere(cx: &Context<'_>, script: &Arc<SourceFile>, stdio_by_unit: bool) -> Answer {
    let path = cx.device_path();
    let found = redirects(&script.text);
    if found.is_empty() || found.iter().any(|(_, target)| *target == path) || stdio_by_unit {
        let wrong = found.iter().find(|(_, target)| {
            is_terminal(target) && *target != path && found.iter().any(|(_, t)| *t == path)
        });
        return Answer::from_option(wrong.map(|(line, target)| {
            Violation::at_line(
                &Origin::line(script, *line),
                format!("one stream of the shell goes to {target}, not to {path}"),
            )
        }));
    }
    let Some((line, target)) = found.iter().find(|(_, target)| is_terminal(target)) else {
        return Answer::Satisfied;
    };
    Answer::Violated(vec![Violation::at_line(
        &Origin::line(script, *line),
        format!("the script redirects its streams to {target}; the test driver listens on {path}"),
    )])
}

fn is_terminal(path: &str) -> bool {
    !matches!(
        path,
        "/dev/null"
            | "/dev/zero"
            | "/dev/kmsg"
            | "/dev/stdin"
            | "/dev/stdout"
            | "/dev/stderr"
            | "/dev/full"
    ) && !path.starts_with("/dev/fd/")
        && !path.starts_with("/dev/tcp/")
}

fn prints_magic(cx: &Context<'_>, script: &Arc<SourceFile>) -> Answer {
    let magic = &cx.profile.magic;
    if code(&script.text).any(|(_, line)| line.contains(magic.as_str())) {
        return Answer::Satisfied;
    }
    // A script that gets the text from elsewhere (a variable, another file) cannot be judged by reading it.
    let similar = code(&script.text).find(|(_, line)| {
        let lower = line.to_lowercase();
        lower.contains("backdoor") && (lower.contains("echo") || lower.contains("printf"))
            || lower.contains("spawning")
    });
    match similar {
        Some((line, _)) => Answer::Violated(vec![Violation::at_line(
            &Origin::line(script, line),
            format!("the script never prints the line the driver waits for: {magic:?}"),
        )]),
        None if code(&script.text)
            .any(|(_, l)| l.contains(". /") || l.contains("source ") || l.contains("${")) =>
        {
            Answer::CannotTell {
                reason: "the script takes its text from elsewhere".into(),
                location: script.location(),
            }
        }
        None => Answer::Violated(vec![Violation::at(
            script.location(),
            format!("the script never prints the line the driver waits for: {magic:?}"),
        )]),
    }
}

fn sets_raw(cx: &Context<'_>, script: &Arc<SourceFile>) -> Answer {
    let raw = code(&script.text)
        .any(|(_, l)| l.contains("stty") && l.contains("raw") && l.contains("-echo"));
    let by_unit = cx.unit().is_some_and(|u| {
        u.value("Service", "ExecStartPre")
            .is_some_and(|s| s.value.contains("stty") && s.value.contains("raw"))
    });
    if raw || by_unit {
        return Answer::Satisfied;
    }
    let place = redirects(&script.text)
        .first()
        .map(|(line, _)| Origin::line(script, *line));
    let message = "the script leaves the terminal in its default mode: it echoes the driver's commands back into the protocol (no `stty raw -echo`)";
    Answer::Violated(vec![match place {
        Some(origin) => Violation::at_line(&origin, message),
        None => Violation::at(script.location(), message),
    }])
}

fn not_interactive(cx: &Context<'_>, script: &Arc<SourceFile>) -> Answer {
    let path = cx.device_path();
    let last = code(&script.text)
        .filter(|(_, l)| {
            l.contains("bash") || l.contains("/sh") || l.trim_start().starts_with("exec sh")
        })
        .last();
    let Some((line, text)) = last else {
        return Answer::NotApplicable;
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let asked = words
        .iter()
        .any(|w| *w == "-i" || *w == "--login" || *w == "-l");
    // bash is interactive when it has no script argument and its input and error streams are terminals (bash(1), INVOCATION).
    let has_argument = words
        .iter()
        .any(|w| *w == path || w.ends_with(&cx.profile.device) && !w.starts_with(['<', '>', '2']))
        || words.contains(&"-s")
        || words.contains(&"-c");
    let to_device = words.iter().any(|w| w.starts_with("2>"));
    let stderr_on_device = redirects_all(&script.text) || to_device;
    if asked || (!has_argument && stderr_on_device) {
        let origin = Origin::line(script, line);
        return Answer::Violated(vec![Violation::at_line(
            &origin,
            "the shell is interactive: its prompt and job control get into the driver's protocol",
        )]);
    }
    Answer::Satisfied
}

/// The error stream follows the others to the device (`exec … 2>&1`, `2>/dev/…`).
fn redirects_all(text: &str) -> bool {
    code(text).any(|(_, l)| {
        l.trim_start().starts_with("exec ")
            && (l.contains("2>&1") || l.contains("2>/dev/hvc") || l.contains("&>/dev/"))
    })
}

impl ScriptText {
    fn waits_for_existing(&self, cx: &Context<'_>, script: &Arc<SourceFile>) -> Answer {
        let Some(regex) = Regex::new(r"/dev/(tty[A-Z]+\d+|hvc\d+|vport\w+)").ok() else {
            return Answer::NotApplicable;
        };
        let known =
            |name: &str| name == cx.profile.device || self.devices.iter().any(|d| d == name);
        let found = code(&script.text).find_map(|(line, text)| {
            let name = regex.captures(text)?.get(1)?.as_str().to_owned();
            let path = format!("/dev/{name}");
            (!known(&name) && waits_for(&script.text, &path)).then_some((line, path))
        });
        Answer::from_option(found.map(|(line, path)| {
            Violation::at_line(
                &Origin::line(script, line),
                format!(
                    "the script waits for {path}, which the test driver's machine does not have"
                ),
            )
        }))
    }
}

fn tools_present(cx: &Context<'_>, script: &Arc<SourceFile>) -> Answer {
    let missing: &BTreeSet<String> = &cx.facts.missing_commands;
    let strict = code(&script.text).any(|(_, l)| {
        let l = l.trim();
        l.starts_with("set ")
            && l.split_whitespace()
                .nth(1)
                .is_some_and(|f| f.starts_with('-') && f.contains('e'))
            || l.contains("errexit")
    }) || script.text.lines().next().is_some_and(|l| {
        l.starts_with("#!")
            && l.split_whitespace()
                .skip(1)
                .any(|w| w.starts_with('-') && w.contains('e'))
    });
    let mut violations = Vec::new();
    for (line, text) in code(&script.text) {
        let guarded = text.contains("||")
            || text.contains("command -v")
            || text.contains("type ")
            || text.trim_start().starts_with("if ");
        for tool in COMMANDS
            .iter()
            .filter(|t| missing.contains(**t) && calls(text, t))
        {
            if strict && !guarded || *tool == "stty" || text.trim_start().starts_with("exec ") {
                violations.push(Violation::at_line(
                    &Origin::line(script, line),
                    format!("the script calls `{tool}`, which is not in the image"),
                ));
            }
        }
    }
    Answer::from_violations(violations)
}

/// The line calls the command: it stands where a command can stand.
pub fn calls(line: &str, command: &str) -> bool {
    line.match_indices(command).any(|(at, _)| {
        let before = line[..at].trim_end();
        let after = line[at + command.len()..].chars().next();
        let path = before.ends_with("bin/");
        let starts = before.is_empty()
            || before.ends_with([';', '|', '&', '(', '`', '!', '{'])
            || ["exec", "then", "do", "else", "if", "while", "until"]
                .iter()
                .any(|w| before.ends_with(w))
            || path;
        starts
            && (line[..at].ends_with(|c: char| c.is_whitespace() || ";|&(`!{".contains(c))
                || at == 0
                || path)
            && after.is_none_or(|c| c.is_whitespace() || ";|&)".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/bash\n# exec > /dev/hvc9\nwhile [ ! -e /dev/ttyS0 ]; do sleep 0.1; done\nexec 3>/dev/ttyS0\nexec < /dev/hvc0 > /dev/hvc0\nstty raw -echo\necho x 2>/dev/null\n";

    #[test]
    fn own_streams_are_told_from_other_descriptors() {
        assert_eq!(
            redirects(SCRIPT),
            [(5, "/dev/hvc0".to_owned()), (5, "/dev/hvc0".to_owned())]
        );
        assert_eq!(
            redirects("exec <>/dev/hvc1 >&0\n"),
            [(1, "/dev/hvc1".to_owned())]
        );
        assert_eq!(redirects("exec </dev/hvc0 2>/dev/null\n")[1].1, "/dev/null");
    }

    #[test]
    fn loops_that_wait() {
        assert!(waits_for(SCRIPT, "/dev/ttyS0"));
        assert!(!waits_for(SCRIPT, "/dev/hvc0"));
        assert!(waits_for(
            "for i in 1 2 3\ndo\n  if [ -c /dev/hvc0 ]; then break; fi\n  sleep 1\ndone\n",
            "/dev/hvc0"
        ));
    }

    #[test]
    fn a_command_stands_where_commands_stand() {
        assert!(calls("stty raw -echo", "stty"));
        assert!(calls("x=1; /usr/bin/stty raw", "stty"));
        assert!(calls("if ! fuser /dev/hvc0; then", "fuser"));
        assert!(!calls("echo stty", "stty"));
        assert!(!calls("sttyx", "stty"));
    }
}
