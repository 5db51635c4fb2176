//! Our facts beside systemd's own.

use super::oracle::{self, Answer};
use isar_doctor::inspect::filesystem::{FileSystem, directory::DirectoryFs};
use isar_doctor::inspect::systemd::{self, DependencyKind, Inputs, LoadState, SystemdFacts};
use isar_doctor::inspect::{cmdline, fstab, partitions::DiskFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What we say of a tree.
pub fn facts(tree: &Path, words: &str, devices: &[&str], table: &DiskFacts) -> SystemdFacts {
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(tree, "p2"));
    let words = cmdline::parse(words, &[]);
    let fstab = fs
        .read_source("/etc/fstab", 1 << 20)
        .map(|file| fstab::parse(&file, table))
        .unwrap_or_default();
    let inputs = Inputs {
        cmdline: Some(&words),
        fstab: &fstab,
        early_devices: devices,
        ..Inputs::default()
    };
    systemd::read(&fs, &inputs).known().unwrap().clone()
}

/// How many things were compared, and which differ.
#[derive(Debug, Default)]
pub struct Tally {
    /// Number compared, by what they are.
    pub compared: BTreeMap<&'static str, usize>,
    /// Differences, as sentences.
    pub differences: Vec<String>,
}

impl Tally {
    /// Compares one thing.
    pub fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        kind: &'static str,
        what: &str,
        theirs: &T,
        ours: &T,
    ) {
        *self.compared.entry(kind).or_default() += 1;
        if theirs != ours {
            self.differences
                .push(format!("{kind} {what}: systemd {theirs:?}, we {ours:?}"));
        }
    }
    /// Compares two sets, element by element.
    pub fn sets(
        &mut self,
        kind: &'static str,
        what: &str,
        theirs: &BTreeSet<String>,
        ours: &BTreeSet<String>,
    ) {
        *self.compared.entry(kind).or_default() += theirs.union(ours).count();
        for item in theirs.difference(ours) {
            self.differences
                .push(format!("{kind} {what}: only systemd has {item}"));
        }
        for item in ours.difference(theirs) {
            self.differences
                .push(format!("{kind} {what}: only we have {item}"));
        }
    }
    /// Adds another tally.
    pub fn add(&mut self, other: Tally) {
        for (kind, count) in other.compared {
            *self.compared.entry(kind).or_default() += count;
        }
        self.differences.extend(other.differences);
    }
    /// Prints the counts, and fails if anything differs.
    pub fn finish(self, what: &str) {
        let counts: Vec<String> = self
            .compared
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        println!(
            "{what}: {}; {} differences",
            counts.join(", "),
            self.differences.len()
        );
        assert!(
            self.differences.is_empty(),
            "{what}:\n{}",
            self.differences.join("\n")
        );
    }
}

fn edges(facts: &SystemdFacts) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for unit in facts.units.values().filter(|unit| unit.referenced) {
        all.entry(unit.name.clone()).or_default();
        for dependency in &unit.dependencies {
            let kind = match dependency.kind {
                DependencyKind::Slice => "InSlice".to_owned(),
                kind => format!("{kind:?}"),
            };
            let inverse = match dependency.kind {
                DependencyKind::Before => Some("After"),
                DependencyKind::After => Some("Before"),
                _ => None,
            };
            if let Some(inverse) = inverse {
                all.entry(dependency.other.clone())
                    .or_default()
                    .insert(format!("{inverse} {}", unit.name));
            }
            all.entry(unit.name.clone())
                .or_default()
                .insert(format!("{kind} {}", dependency.other));
        }
    }
    all
}

fn load(state: LoadState) -> &'static str {
    match state {
        LoadState::Loaded => "loaded",
        LoadState::NotFound => "not-found",
        LoadState::Masked => "masked",
        LoadState::BadSetting => "bad-setting",
        LoadState::Error => "error",
    }
}

/// A path as it is in the tree, whatever name of a merged /usr it goes by, and wherever the trial run put what generators write.
fn place(path: &str) -> String {
    let path = match path.strip_prefix("/lib/") {
        Some(rest) => format!("/usr/lib/{rest}"),
        None => path.to_owned(),
    };
    match path
        .strip_prefix("/tmp/systemd-temporary-")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_, rest)) => format!("/run/systemd/{rest}"),
        None => path,
    }
}

/// Compares units, their load states, files, commands and edges, and the jobs of the first transaction.
pub fn compare(name: &str, answer: &Answer, facts: &SystemdFacts) -> Tally {
    let mut tally = Tally::default();
    let ours = edges(facts);
    let artefacts = oracle::artefacts();
    let real = |name: &&String| !artefacts.contains(*name);
    let their_names: BTreeSet<String> = answer.units.keys().filter(real).cloned().collect();
    tally.sets("units", name, &their_names, &ours.keys().cloned().collect());
    for (unit_name, theirs) in &answer.units {
        let (Some(edges), Some(unit)) = (ours.get(unit_name), facts.units.get(unit_name)) else {
            continue;
        };
        let what = format!("{name}: {unit_name}");
        let their_edges = theirs
            .edges
            .iter()
            .filter(|(_, other)| real(&other))
            .map(|(kind, other)| format!("{kind} {other}"))
            .collect();
        tally.sets("edges", &what, &their_edges, edges);
        let state = theirs.values("Unit Load State").next().unwrap_or_default();
        tally.same("load states", &what, &state, &load(unit.load));
        if state != "loaded" {
            continue;
        }
        let path = theirs.values("Fragment Path").next().map(place);
        let fragment = unit
            .fragment
            .as_ref()
            .and_then(|at| at.path.as_deref())
            .map(place);
        tally.same("fragments", &what, &path, &fragment);
        let drop_ins: Vec<String> = theirs.values("DropIn Path").map(place).collect();
        let paths = unit.drop_ins.iter().filter_map(|at| at.path.as_deref());
        tally.same(
            "drop-in lists",
            &what,
            &drop_ins,
            &paths.map(place).collect(),
        );
        let aliases: BTreeSet<String> = theirs.values("Alias").map(str::to_owned).collect();
        tally.sets(
            "aliases",
            &what,
            &aliases,
            &unit.aliases.iter().cloned().collect(),
        );
        if unit_name.ends_with(".service") {
            // What is printed is the argument vector, whose first word `@` replaces by one that the facts do not have.
            let renamed = unit.exec.iter().any(|exec| exec.prefixes.contains('@'));
            let plain = |text: &str| {
                let text = place(text).replace(['"', '\'', '\\'], "");
                match text.split_once(' ') {
                    _ if !renamed => text,
                    Some((_, arguments)) => arguments.to_owned(),
                    None => String::new(),
                }
            };
            let commands: BTreeSet<String> = theirs.values("Command Line").map(plain).collect();
            let ours = unit
                .exec
                .iter()
                .map(|exec| {
                    let mut words = vec![exec.path.clone()];
                    words.extend(exec.arguments.iter().cloned());
                    plain(&words.join(" "))
                })
                .collect();
            tally.sets("commands", &what, &commands, &ours);
        }
        for key in [
            "Type",
            "Restart",
            "KillSignal",
            "StandardInput",
            "StandardOutput",
            "StandardError",
            "TTYPath",
            "User",
        ] {
            if let Some(value) = theirs.values(key).next()
                && let Some(setting) = unit.value("Service", key)
            {
                let ours = setting.value.split(':').next().unwrap_or_default();
                let ours = ours.replace("syslog", "journal");
                let ours = if key == "TTYPath" {
                    setting.value.clone()
                } else {
                    ours
                };
                tally.same("settings", &format!("{what} {key}"), &value, &ours.as_str());
            }
        }
    }
    let transaction = &facts.transaction;
    if answer.log.contains("Found ordering cycle") {
        // Which job of a cycle goes is decided by the order of a hash table with a random seed: the jobs differ from
        // run to run of systemd itself.
        tally.same("cycles", name, &true, &!transaction.cycles.is_empty());
    } else {
        let starts = transaction.jobs.keys().cloned().collect();
        tally.sets("jobs", name, &answer.starts, &starts);
    }
    tally
}
