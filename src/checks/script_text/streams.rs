//! Where a script's standard streams lead, command by command.

use super::{SHELLS, Script, base_name};
use crate::inspect::commands::innermost;
use crate::inspect::shell::{Command, Mode, Redirect, Variables};
use crate::inspect::systemd::Unit;
use std::collections::BTreeMap;

/// What a stream leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file or device.
    Path(String),
    /// The journal, `/dev/null` or whatever else systemd gives a service by default.
    Default,
    /// Only a running shell knows.
    Unknown,
}

/// A stream: what it leads to, and the line of the script that made it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What it leads to.
    pub target: Target,
    /// 1-based line; none when the unit made it so.
    pub line: Option<u32>,
}

/// The streams of a command by number.
pub type Streams = BTreeMap<u32, Stream>;

/// A command and what its streams are while it runs.
pub struct Step<'s> {
    /// The command.
    pub command: &'s Command,
    /// Its program (wrappers such as `exec` and `env` looked through) and arguments.
    pub words: Vec<Option<String>>,
    /// Its streams.
    pub streams: Streams,
}

impl Step<'_> {
    /// Name of the program without its directory.
    pub fn program(&self) -> Option<&str> {
        self.words.first()?.as_deref().map(base_name)
    }
    /// The stream with this number.
    pub fn target(&self, fd: u32) -> &Target {
        self.streams
            .get(&fd)
            .map_or(&Target::Default, |s| &s.target)
    }
}

/// A script followed from its start to its end, as if every branch were taken.
pub struct Walk<'s> {
    /// Its commands.
    pub steps: Vec<Step<'s>>,
    /// The streams at its end.
    pub end: Streams,
}

/// Follows the script.
pub fn walk<'s>(script: &'s Script<'_>) -> Walk<'s> {
    let mut variables = Variables::new();
    let mut streams = of_unit(script.unit);
    let mut steps = Vec::new();
    for command in &script.commands {
        command.assign(&mut variables);
        let mut own = streams.clone();
        for redirect in &command.redirects {
            apply(&mut own, redirect, command.line, &variables);
        }
        let words = innermost(command, &variables);
        // `exec` without a program changes the streams of the script itself.
        if words.len() == 1 && words[0].as_deref() == Some("exec") {
            streams = if command.branch {
                either(&streams, &own)
            } else {
                own.clone()
            };
        }
        steps.push(Step {
            command,
            words,
            streams: own,
        });
    }
    Walk {
        steps,
        end: streams,
    }
}

/// After a branch that may not be taken: where the two ways differ, only a running shell knows; but a stream that nobody
/// had set before was set for this.
fn either(before: &Streams, branch: &Streams) -> Streams {
    let mut out = branch.clone();
    for (fd, stream) in &mut out {
        let old = before.get(fd).map_or(&Target::Default, |s| &s.target);
        if *old != Target::Default && *old != stream.target {
            stream.target = Target::Unknown;
        }
    }
    out
}

impl<'s> Walk<'s> {
    /// The command that becomes the shell: the last one that runs a shell and no text of its own.
    pub fn shell(&self) -> Option<&Step<'s>> {
        self.steps.iter().rev().find(|step| {
            step.program().is_some_and(|p| SHELLS.contains(&p))
                && !step
                    .words
                    .iter()
                    .flatten()
                    .any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains('c'))
        })
    }
    /// The streams of the shell; of the end of the script when no shell is seen.
    pub fn final_streams(&self) -> &Streams {
        self.shell().map_or(&self.end, |step| &step.streams)
    }
}

/// The streams that systemd gives the service (systemd.exec(5), StandardInput=).
fn of_unit(unit: &Unit) -> Streams {
    let tty = unit
        .value("Service", "TTYPath")
        .map_or("/dev/console", |s| s.value.as_str());
    let target = |key: &str, inherited: &Target| match unit.value("Service", key) {
        Some(s) if s.value.starts_with("tty") => Target::Path(tty.to_owned()),
        Some(s) if s.value == "inherit" => inherited.clone(),
        Some(s) => match s.value.split_once(':') {
            Some(("file" | "append" | "truncate", path)) => Target::Path(path.to_owned()),
            Some(_) => Target::Unknown,
            None => Target::Default,
        },
        None if key == "StandardError" => inherited.clone(),
        None => Target::Default,
    };
    let input = target("StandardInput", &Target::Default);
    let output = target("StandardOutput", &input);
    let errors = target("StandardError", &output);
    [input, output, errors]
        .into_iter()
        .zip(0..)
        .map(|(target, fd)| (fd, Stream { target, line: None }))
        .collect()
}

fn apply(streams: &mut Streams, redirect: &Redirect, line: u32, variables: &Variables) {
    let text = redirect.target.expand(variables);
    let target = match (&text, redirect.mode) {
        (_, Mode::Here) => Target::Default,
        (Some(path), Mode::Copy) => match path.trim_end_matches('-').parse() {
            Ok(fd) => streams
                .get(&fd)
                .map_or(Target::Default, |s: &Stream| s.target.clone()),
            Err(_) if path == "-" => Target::Default,
            Err(_) => Target::Unknown,
        },
        (Some(path), _) => match path.as_str() {
            "/dev/null" => Target::Default,
            "/dev/stdin" | "/dev/fd/0" => copy(streams, 0),
            "/dev/stdout" | "/dev/fd/1" => copy(streams, 1),
            "/dev/stderr" | "/dev/fd/2" => copy(streams, 2),
            _ => Target::Path(path.clone()),
        },
        (None, _) => Target::Unknown,
    };
    let stream = Stream {
        target,
        line: Some(line),
    };
    if redirect.mode == Mode::OutAndErr {
        streams.insert(2, stream.clone());
    }
    streams.insert(redirect.fd, stream);
}

fn copy(streams: &Streams, fd: u32) -> Target {
    streams
        .get(&fd)
        .map_or(Target::Default, |s| s.target.clone())
}

/// A terminal, as far as its name tells.
pub fn is_terminal(target: &Target) -> bool {
    matches!(target, Target::Path(path) if path.starts_with("/dev/tty")
        || path.starts_with("/dev/hvc") || path.starts_with("/dev/pts/") || path == "/dev/console")
}
