//! Programs that the backdoor's script calls, and whether the image has them.

use super::filesystem::FileSystem;
use super::shell::{self, Variables};
use std::collections::BTreeSet;

/// Directories of a script's PATH under systemd (systemd.exec(5), `$PATH`).
const PATH: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// What a shell does itself (bash(1), SHELL BUILTIN COMMANDS, and dash's subset of them), and its reserved words.
const BUILTIN: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "break",
    "builtin",
    "cd",
    "command",
    "continue",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "echo",
    "enable",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "getopts",
    "hash",
    "help",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "wait",
];

/// Words in front of the program that a command really runs, and their options that take a value.
const WRAPPERS: &[(&str, &[&str])] = &[
    ("exec", &["-a"]),
    ("command", &[]),
    ("builtin", &[]),
    ("env", &["-u", "-C", "-S"]),
    ("setsid", &[]),
    ("nohup", &[]),
    ("nice", &["-n"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("busybox", &[]),
];

/// The words of a command from the program that it runs in the end: `exec /usr/bin/env A=b bash -x` gives `bash -x`. A
/// word that only a running shell knows is `None`.
pub fn innermost(command: &shell::Command, variables: &Variables) -> Vec<Option<String>> {
    let mut words: Vec<Option<String>> =
        command.words.iter().map(|w| w.expand(variables)).collect();
    loop {
        let Some(Some(program)) = words.first() else {
            return words;
        };
        let name = program.rsplit('/').next().unwrap_or(program);
        let Some((_, valued)) = WRAPPERS.iter().find(|(w, _)| *w == name) else {
            return words;
        };
        let mut at = 1;
        while let Some(Some(word)) = words.get(at) {
            if valued.contains(&word.as_str()) {
                at += 2;
            } else if word.starts_with('-') || name == "env" && word.contains('=') {
                at += 1;
            } else {
                break;
            }
        }
        if at >= words.len() {
            return words;
        }
        words.drain(..at);
    }
}

/// Names of the programs a script calls, its own functions and the shell's builtins left out.
pub fn called(script: &str) -> BTreeSet<String> {
    let mut variables = Variables::new();
    let mut names = BTreeSet::new();
    for command in shell::parse(script) {
        command.assign(&mut variables);
        let wrapper = command.words.first().and_then(|w| w.expand(&variables));
        let inner = innermost(&command, &variables).into_iter().next().flatten();
        names.extend([wrapper, inner].into_iter().flatten());
    }
    names.retain(|name| {
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+/-".contains(c));
        plain
            && !name.is_empty()
            && !BUILTIN.contains(&name.as_str())
            && !script.contains(&format!("{name}()"))
            && !script.contains(&format!("{name} ()"))
            && !script.contains(&format!("function {name}"))
    });
    names
}

/// The programs that a script calls and the image does not have, as the script names them.
pub fn missing(fs: &dyn FileSystem, script: &str) -> BTreeSet<String> {
    let mut names = called(script);
    names.retain(|name| {
        if name.contains('/') {
            return name.starts_with('/') && !fs.exists(name);
        }
        !PATH.iter().any(|dir| fs.exists(&format!("{dir}/{name}")))
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_builtins_and_functions() {
        let script = "#!/bin/bash\nfuser -k /dev/hvc0 || true\nsay() { echo x; }\nsay\nif [ -e x ]; then /opt/tool y; fi\nTOOL=stty\n$TOOL raw\nPS1= exec /usr/bin/env -u X A=b setsid bash --norc\n$(which x) y\n";
        let names: Vec<String> = called(script).into_iter().collect();
        assert_eq!(names, ["/opt/tool", "bash", "fuser", "stty"]);
    }

    #[test]
    fn wrappers_are_looked_through() {
        let words = |text: &str| {
            innermost(&shell::parse(text)[0], &Variables::new())
                .into_iter()
                .map(|w| w.unwrap_or_else(|| "?".into()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(words("exec -a x nice -n 5 bash -i"), "bash -i");
        assert_eq!(words("env"), "env");
        assert_eq!(words("exec $SHELL"), "?");
    }
}
