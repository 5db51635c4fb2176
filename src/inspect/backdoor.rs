//! Which unit of this image is the test's backdoor, when it does not bear the profile's name, and the script it runs.

use super::error::Fact;
use super::exec::Executable;
use super::filesystem::{FileKind, FileSystem};
use super::systemd::{LoadState, SystemdFacts, Unit};
use crate::profile::Profile;
use std::collections::BTreeMap;

/// Reads a program of the image.
pub type ReadProgram<'a> = dyn Fn(&str) -> Fact<Executable> + 'a;

/// The NixOS test instrumentation's own name for it.
pub const USUAL: &str = "backdoor.service";

/// Programs that run the file they are given.
const INTERPRETERS: &[&str] = &[
    "sh",
    "bash",
    "dash",
    "ash",
    "ksh",
    "zsh",
    "busybox",
    "env",
    "python3",
    "perl",
    "setsid",
    "nohup",
    "stdbuf",
    "nice",
    "systemd-cat",
    "socat",
];
/// Programs whose units own a terminal and are no backdoor.
const GETTYS: &[&str] = &["agetty", "getty", "mingetty", "fgetty", "login", "sulogin"];

/// Name of the backdoor unit: the profile's or the usual one when the image has it, else the service that gives itself
/// away by the magic line or by using the shell device.
pub fn find(systemd: &SystemdFacts, profile: &Profile, read: &ReadProgram<'_>) -> Option<String> {
    let known = [profile.unit.as_str(), USUAL]
        .into_iter()
        .filter_map(|name| systemd.unit(name))
        .find(|unit| unit.load != LoadState::NotFound);
    if let Some(unit) = known {
        return Some(unit.name.clone());
    }
    let started = |unit: &Unit| u8::from(systemd.transaction.jobs.contains_key(&unit.name));
    systemd
        .units
        .values()
        .filter(|unit| unit.name.ends_with(".service") && !unit.name.contains("@."))
        .filter(|unit| unit.load == LoadState::Loaded && !is_getty(unit))
        .map(|unit| (likeness(unit, profile, read), started(unit), unit))
        .filter(|(likeness, _, _)| *likeness >= CONDITION)
        .max_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.name.cmp(&a.2.name)))
        .map(|(_, _, unit)| unit.name.clone())
}

const MAGIC: u8 = 8;
const STREAMS: u8 = 4;
const CONDITION: u8 = 2;

/// How much a service looks like the backdoor.
fn likeness(unit: &Unit, profile: &Profile, read: &ReadProgram<'_>) -> u8 {
    let path = format!("/dev/{}", profile.device);
    let mut likeness = 0;
    let says = |text: &str| text.contains(profile.magic.as_str());
    if unit
        .exec
        .iter()
        .any(|e| e.arguments.iter().any(|a| says(a)))
    {
        likeness |= MAGIC;
    }
    for setting in &unit.settings {
        let value = setting.value.as_str();
        match setting.key.as_str() {
            "TTYPath" | "StandardInput" | "StandardOutput" if value.ends_with(&path) => {
                likeness |= STREAMS;
            }
            key if (key.starts_with("ConditionPath") || key.starts_with("AssertPath"))
                && value.trim_start_matches(['|', '!']) == path =>
            {
                likeness |= CONDITION;
            }
            _ => {}
        }
    }
    if let Fact::Known(program) = script(unit, read)
        && let Some(text) = &program.text
    {
        if says(&text.text) {
            likeness |= MAGIC;
        }
        let code = text
            .text
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'));
        if code.into_iter().any(|l| names_device(l, &path)) {
            likeness |= STREAMS;
        }
    }
    likeness
}

/// The path stands there as a whole: `/dev/hvc0` is not in `/dev/hvc01`.
fn names_device(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        line[at + path.len()..]
            .chars()
            .next()
            .is_none_or(|c| !c.is_alphanumeric())
    })
}

fn is_getty(unit: &Unit) -> bool {
    unit.name.contains("getty")
        || unit
            .exec
            .iter()
            .any(|e| GETTYS.contains(&base_name(&e.path)))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The script of a unit: the program of its first `ExecStart=`, or the file that an interpreter is given there.
pub fn script(unit: &Unit, read: &ReadProgram<'_>) -> Fact<Executable> {
    let Some(exec) = unit.exec.iter().find(|e| e.directive == "ExecStart") else {
        return Fact::Absent;
    };
    let inner = INTERPRETERS
        .contains(&base_name(&exec.path))
        .then(|| exec.arguments.iter().find(|a| is_program(a)))
        .flatten();
    match (inner, &exec.target) {
        (Some(path), _) => read(path),
        (None, Some(target)) => target.clone(),
        (None, None) => read(&exec.path),
    }
}

/// An absolute path that is no device: the interpreter of a script, or the script.
fn is_program(argument: &str) -> bool {
    argument.starts_with('/')
        && !argument.starts_with("/dev/")
        && !argument.contains(char::is_whitespace)
        && !INTERPRETERS.contains(&base_name(argument))
}

/// Directories that are filled only while the system runs.
const RUNTIME: &[&str] = &["/dev/", "/proc/", "/run/", "/var/run/", "/sys/", "/tmp/"];

/// Paths in the unit's conditions and assertions, and what the image has there.
pub fn condition_paths(unit: &Unit, fs: &dyn FileSystem) -> BTreeMap<String, Option<FileKind>> {
    unit.settings
        .iter()
        .filter(|s| s.key.starts_with("Condition") || s.key.starts_with("Assert"))
        .map(|s| s.value.trim_start_matches(['|', '!', ' ']))
        .filter(|v| v.starts_with('/') && !v.contains(['*', '?', '[']))
        .filter(|v| !RUNTIME.iter().any(|dir| v.starts_with(dir)))
        .map(|v| (v.to_owned(), fs.metadata(v).ok().map(|m| m.kind)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_whole() {
        assert!(names_device("exec < /dev/hvc0 > /dev/hvc0", "/dev/hvc0"));
        assert!(!names_device("exec < /dev/hvc01", "/dev/hvc0"));
    }

    #[test]
    fn the_script_of_an_interpreter_is_its_argument() {
        assert!(is_program("/usr/lib/x/run.sh"));
        assert!(!is_program("/dev/hvc0") && !is_program("-c") && !is_program("/bin/bash"));
        assert!(!is_program("/bin/echo a"));
    }
}
