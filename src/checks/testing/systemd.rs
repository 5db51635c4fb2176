//! Units from text, and a transaction from units: as much of systemd as the tests of checks need.

use super::{file, systemd};
use crate::inspect::error::Fact;
use crate::inspect::facts::Facts;
use crate::inspect::source::Origin;
use crate::inspect::systemd::{
    Dependency, DependencyKind, Exec, Job, LoadState, Reason, Setting, Unit,
};
use std::collections::BTreeMap;

/// A unit as its text says; later values are added, an empty one resets.
pub fn unit(name: &str, text: &str) -> Unit {
    let path = format!("/usr/lib/systemd/system/{name}");
    let source = file("p2", &path, text);
    let settings = settings(&path, text);
    let mut dependencies = Vec::new();
    let kinds = [
        ("Requires", DependencyKind::Requires),
        ("Wants", DependencyKind::Wants),
        ("BindsTo", DependencyKind::BindsTo),
        ("Upholds", DependencyKind::Upholds),
        ("After", DependencyKind::After),
        ("Before", DependencyKind::Before),
        ("Conflicts", DependencyKind::Conflicts),
    ];
    for setting in settings.iter().filter(|s| s.section == "Unit") {
        for (_, kind) in kinds.iter().filter(|(key, _)| *key == setting.key) {
            dependencies.extend(setting.value.split_whitespace().map(|other| Dependency {
                kind: *kind,
                other: other.to_owned(),
                reason: Reason::Line(setting.origin.clone()),
            }));
        }
    }
    let default = !settings
        .iter()
        .any(|s| s.key == "DefaultDependencies" && s.value == "no");
    if default && name.ends_with(".service") {
        for (kind, other) in [
            (DependencyKind::Requires, "sysinit.target"),
            (DependencyKind::After, "sysinit.target"),
            (DependencyKind::After, "basic.target"),
        ] {
            dependencies.push(Dependency {
                kind,
                other: other.to_owned(),
                reason: Reason::Default,
            });
        }
    }
    let exec = settings
        .iter()
        .filter(|s| s.key.starts_with("Exec"))
        .map(exec)
        .collect();
    Unit {
        name: name.to_owned(),
        aliases: Vec::new(),
        load: LoadState::Loaded,
        unit_file_state: "enabled".into(),
        preset: None,
        referenced: true,
        fragment: Some(source.location()),
        source: Some(source),
        drop_ins: Vec::new(),
        masked_by: None,
        mask_location: None,
        settings,
        dependencies,
        exec,
        problems: Vec::new(),
    }
}

fn exec(setting: &Setting) -> Exec {
    let command = setting.value.trim_start_matches(['-', '@', ':', '+', '!']);
    let prefixes = &setting.value[..setting.value.len() - command.len()];
    let mut words = command.split_whitespace().map(str::to_owned);
    let path = words.next().unwrap_or_default();
    Exec {
        directive: setting.key.clone(),
        ignore_failure: prefixes.contains('-'),
        prefixes: prefixes.to_owned(),
        target: Some(Fact::Known(super::elf(&path))),
        path,
        arguments: words.collect(),
        origin: setting.origin.clone(),
    }
}

/// The settings of an ini file.
pub fn settings(path: &str, text: &str) -> Vec<Setting> {
    let source = file("p2", path, text);
    let mut section = String::new();
    let mut out: Vec<Setting> = Vec::new();
    for (line, number) in text.lines().zip(1u32..) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            if value.is_empty() {
                out.retain(|s| s.key != key);
                continue;
            }
            out.push(Setting {
                section: section.clone(),
                key: key.to_owned(),
                value: value.to_owned(),
                origin: Origin::line(&source, number),
            });
        }
    }
    out
}

/// Adds or replaces a unit.
pub fn put(facts: &mut Facts, unit: Unit) {
    systemd(facts).units.insert(unit.name.clone(), unit);
}

/// Makes the transaction anew from the units.
pub fn settle(facts: &mut Facts) {
    let systemd = systemd(facts);
    let anchor = systemd.transaction.anchor.clone();
    let mut jobs: BTreeMap<String, Job> = BTreeMap::new();
    let mut pending = vec![(anchor, None)];
    while let Some((name, by)) = pending.pop() {
        let loaded = systemd
            .units
            .get(&name)
            .is_none_or(|u| u.load == LoadState::Loaded);
        let there = systemd.units.contains_key(&name) || name.ends_with(".device");
        if !loaded || !there {
            continue;
        }
        let known = jobs.contains_key(&name);
        let job = jobs.entry(name.clone()).or_insert_with(|| Job {
            unit: name.clone(),
            pulled_in_by: Vec::new(),
            required: false,
        });
        job.pulled_in_by.extend(by);
        if known {
            continue;
        }
        for d in systemd
            .units
            .get(&name)
            .into_iter()
            .flat_map(|u| &u.dependencies)
        {
            if d.kind.pulls_in() {
                pending.push((d.other.clone(), Some((name.clone(), d.kind))));
            }
        }
    }
    let mut waits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in jobs.keys() {
        for d in systemd
            .units
            .get(name)
            .into_iter()
            .flat_map(|u| &u.dependencies)
        {
            if !jobs.contains_key(&d.other) {
                continue;
            }
            match d.kind {
                DependencyKind::After => {
                    waits.entry(name.clone()).or_default().push(d.other.clone())
                }
                DependencyKind::Before => {
                    waits.entry(d.other.clone()).or_default().push(name.clone());
                }
                _ => {}
            }
        }
    }
    systemd.transaction.size = jobs.len();
    systemd.transaction.jobs = jobs;
    systemd.transaction.waits_for = waits;
}
