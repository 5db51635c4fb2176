//! What the types cannot say: names must exist, patterns must parse, numbers must be in range.

use super::is_profile_file;
use super::model::{Config, Suppression};
use super::place::Step;
use super::read::Reader;
use crate::profile::Profile;
use crate::rules::{Rule, builtin, load};
use glob::Pattern;
use std::path::Path;

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// Checks what was read; `dir` is what paths are relative to.
pub(super) fn check(reader: &mut Reader<'_>, dir: &Path, config: &Config) {
    if let Some(name) = &config.profile {
        profile(reader, dir, name);
    }
    for (n, pattern) in config.images.iter().enumerate() {
        glob(reader, &[key("images"), Step::Item(n)], pattern);
    }
    let rules = rules(reader, dir, config);
    let known: Vec<&str> = rules.iter().map(|r| r.id.as_str()).collect();
    for rule in config.severities.keys() {
        let at = [key("severities"), Step::Name(rule.clone())];
        reader.known(&at, "rule", rule, &known);
    }
    for (n, entry) in config.suppressions.iter().enumerate() {
        let at = [key("suppressions"), Step::Item(n)];
        suppression(reader, &at, entry, &known);
    }
    boot(reader, config);
}

fn profile(reader: &mut Reader<'_>, dir: &Path, name: &str) {
    let at = [key("profile")];
    if !is_profile_file(name) {
        reader.known(&at, "profile", name, &builtin::profile_names());
        return;
    }
    let file = dir.join(name);
    match std::fs::read_to_string(&file) {
        Err(e) => reader.wrong(
            &at,
            format!("cannot read the profile {}: {e}", file.display()),
        ),
        Ok(text) => {
            if let Err(e) = serde_yaml::from_str::<Profile>(&text) {
                reader.wrong(&at, format!("the profile {}: {e}", file.display()));
            }
        }
    }
}

/// The built-in rules and those of the directories. Mistakes in rule files are told as theirs.
fn rules(reader: &mut Reader<'_>, dir: &Path, config: &Config) -> Vec<Rule> {
    let mut rules = builtin::rules();
    for (n, own) in config.rule_dirs.iter().enumerate() {
        let path = dir.join(own);
        if !path.is_dir() {
            let at = [key("rule-dirs"), Step::Item(n)];
            reader.wrong(&at, format!("there is no directory {}", path.display()));
            continue;
        }
        match load::directory(&path) {
            Ok(more) => rules.extend(more),
            Err(mistakes) => reader.mistakes.extend(mistakes),
        }
    }
    rules
}

fn suppression(reader: &mut Reader<'_>, at: &[Step], entry: &Suppression, known: &[&str]) {
    let inside = |name: &str| [at, &[key(name)]].concat();
    if entry.rule.is_empty() {
        reader.wrong(
            at,
            "a suppression needs `rule:`, the id of the rule it silences",
        );
    } else {
        reader.known(&inside("rule"), "rule", &entry.rule, known);
    }
    if entry.reason.trim().is_empty() {
        reader.wrong(
            at,
            "a suppression needs `reason:`, so that others know why the finding is accepted",
        );
    }
    for (name, pattern) in [("image", &entry.image), ("location", &entry.location)] {
        if let Some(pattern) = pattern {
            glob(reader, &inside(name), pattern);
        }
    }
}

fn glob(reader: &mut Reader<'_>, at: &[Step], pattern: &str) {
    if let Err(e) = Pattern::new(pattern) {
        reader.wrong(at, format!("bad pattern `{pattern}`: {e}"));
    }
}

fn boot(reader: &mut Reader<'_>, config: &Config) {
    let boot = &config.boot;
    let times = [
        ("timeout", boot.timeout),
        ("quiet-after", boot.quiet_after),
        ("settle", boot.settle),
    ];
    for (name, seconds) in times {
        if seconds.is_some_and(|s| !(0.0..=86_400.0).contains(&s)) {
            reader.wrong(
                &[key("boot"), key(name)],
                format!("`{name}` must be between 0 and 86400 seconds"),
            );
        }
    }
    if boot.smp.is_some_and(|n| !(1..=256).contains(&n)) {
        reader.wrong(
            &[key("boot"), key("smp")],
            "`smp` must be between 1 and 256",
        );
    }
    if boot.memory == Some(0) {
        reader.wrong(
            &[key("boot"), key("memory")],
            "`memory` must be at least 1 MiB",
        );
    }
}
