//! Puts everything together: from the root file system to [`SystemdFacts`].

use super::enablement::Enablement;
use super::generators;
use super::load_path::LoadPath;
use super::manager::{Id, Manager};
use super::model::{
    Dependency, DependencyKind, Exec, Job, LoadState, Reason, SystemdFacts, Transaction, Unit,
};
use super::name::{self, UnitType};
use super::preset::{self, Presets};
use super::specifier::Host;
use super::transaction::{Builder, Relations};
use super::tree::Tree;
use super::unit::{Command, Loader};
use super::{Inputs, config, firstboot, getty, stray, target, version};
use crate::inspect::error::Fact;
use crate::inspect::exec::Executable;
use crate::inspect::filesystem::FileSystem;
use crate::inspect::fnmatch;
use std::collections::{BTreeMap, HashMap};

/// Reads the systemd of a root file system.
pub fn read(fs: &dyn FileSystem, inputs: &Inputs) -> Fact<SystemdFacts> {
    let mut tree = Tree::new(fs);
    let present = [
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        "/etc/systemd/system",
    ];
    if !present.iter().any(|dir| tree.canonical_dir(dir).is_some()) {
        return Fact::Absent;
    }
    let (version_text, version) = version::read(&tree, inputs.version);
    let split_usr = version < 254;
    let host = Host::read(fs, inputs.kernel_release);
    let (overlay, generators) = generators::run(&tree, inputs, version);
    tree.extend(overlay);
    let presets = Presets::read(&tree, version);
    let first_boot = preset::is_first_boot(fs, inputs);
    let populates = first_boot && preset::root_is_writable(inputs);
    let mut path = LoadPath::read(&tree, split_usr);
    // Enablement is a property of the image as it lies there; what a first boot adds is told by the reasons of dependencies.
    let mut states = None;
    if populates {
        let loader = Loader::new(&tree, &path, &host, version);
        states = Some(Enablement::new(&loader).states());
        let overlay = preset::apply(&tree, &path, &presets, &loader);
        tree.extend(overlay);
        path = LoadPath::read(&tree, split_usr);
    }
    let loader = Loader::new(&tree, &path, &host, version);
    let enablement = Enablement::new(&loader);
    let states = states.unwrap_or_else(|| enablement.states());
    let manager_settings = config::read(&tree, "system.conf", "Manager", version);
    let mut manager = Manager::new(&loader, &manager_settings);
    let (anchor, reason) = anchor(&mut manager, inputs);
    let mut facts = SystemdFacts {
        version: version_text,
        load_path: path.dirs.iter().map(|dir| dir.path.clone()).collect(),
        units: BTreeMap::new(),
        aliases: BTreeMap::new(),
        unit_files: states
            .iter()
            .map(|(name, state)| (name.clone(), (*state).to_owned()))
            .collect(),
        transaction: Transaction::default(),
        gettys: Vec::new(),
        stray: stray::find(&tree),
        generators,
        first_boot,
        firstboot_questions: Vec::new(),
        journald: config::read(&tree, "journald.conf", "Journal", version),
        manager: manager_settings,
        problems: Vec::new(),
    };
    facts.transaction = transaction(&manager, anchor, reason);
    manager.load_unreferenced();
    let mut programs = Programs {
        exec: inputs.exec,
        seen: HashMap::new(),
    };
    for id in 0..manager.nodes.len() {
        let unit = unit(
            &mut manager,
            id,
            &facts,
            inputs,
            &states,
            &presets,
            &enablement,
            &mut programs,
        );
        facts.units.insert(unit.name.clone(), unit);
    }
    if let Some(service) = facts.units.get("systemd-firstboot.service") {
        facts.firstboot_questions = firstboot::questions(&tree, service, version);
    }
    facts.aliases = aliases(&manager);
    for (alias, unit) in &facts.aliases {
        if let Some(unit) = facts.units.get_mut(unit) {
            unit.aliases.push(alias.clone());
        }
    }
    udev_wants(&mut facts, inputs);
    facts.gettys = getty::facts(&facts);
    Fact::Known(facts)
}

/// Loads the unit that PID 1 starts, and everything it leads to.
fn anchor(manager: &mut Manager, inputs: &Inputs) -> (Option<Id>, String) {
    let (unit, mut reason) = match target::wanted(inputs) {
        Some((unit, word)) => (unit, format!("{word} on the kernel command line")),
        None => ("default.target".into(), "default.target".into()),
    };
    let mut id = manager.unit(&unit);
    manager.load_all();
    let usable = |manager: &Manager, id: Option<Id>| {
        id.filter(|id| manager.nodes[*id].loaded.load == LoadState::Loaded)
    };
    if usable(manager, id).is_none() {
        reason = format!("{unit} cannot be loaded, so systemd falls back to rescue.target");
        id = manager.unit("rescue.target");
        manager.load_all();
    }
    match usable(manager, id) {
        Some(id) => (Some(id), reason),
        None => (
            None,
            format!("neither {unit} nor rescue.target can be loaded"),
        ),
    }
}

fn transaction(manager: &Manager, anchor: Option<Id>, reason: String) -> Transaction {
    let Some(anchor) = anchor else {
        return Transaction {
            refused: Some(reason.clone()),
            anchor_reason: reason,
            ..Transaction::default()
        };
    };
    let relations = Relations::new(manager);
    let built = Builder::build(manager, &relations, anchor);
    let starts: BTreeMap<Id, bool> = built.starts().collect();
    let mut jobs = BTreeMap::new();
    let mut waits_for = BTreeMap::new();
    for (id, required) in &starts {
        let name = manager.nodes[*id].name.clone();
        let waits: Vec<String> = built
            .waits_for(*id)
            .filter(|other| starts.contains_key(other))
            .map(|other| manager.nodes[other].name.clone())
            .collect();
        waits_for.insert(name.clone(), waits);
        jobs.insert(
            name.clone(),
            Job {
                unit: name,
                pulled_in_by: Vec::new(),
                required: *required,
            },
        );
    }
    for id in starts.keys() {
        let node = &manager.nodes[*id];
        for edge in node.edges.iter().filter(|edge| edge.kind.pulls_in()) {
            if let Some(job) = jobs.get_mut(&manager.nodes[edge.other].name) {
                job.pulled_in_by.push((node.name.clone(), edge.kind));
            }
        }
    }
    let mut dropped = built.dropped;
    dropped.sort();
    dropped.dedup();
    dropped.retain(|(unit, _)| !jobs.contains_key(unit));
    Transaction {
        anchor: manager.nodes[anchor].name.clone(),
        anchor_reason: reason,
        size: jobs.len(),
        jobs,
        cycles: built.cycles,
        dropped,
        refused: built.refused.or_else(|| {
            manager
                .overflow
                .then(|| "too many units or dependencies to follow".into())
        }),
        waits_for,
    }
}

#[allow(clippy::too_many_arguments)]
fn unit(
    manager: &mut Manager,
    id: Id,
    facts: &SystemdFacts,
    inputs: &Inputs,
    states: &BTreeMap<String, &'static str>,
    presets: &Presets,
    enablement: &Enablement,
    programs: &mut Programs,
) -> Unit {
    let (loaded, dependencies) = manager.take(id);
    let node = &manager.nodes[id];
    let name = node.name.clone();
    let state = match states.get(&name) {
        Some(state) => state,
        None if loaded.fragment.is_some() => enablement.state(&name),
        None => "",
    };
    let wanted =
        facts.transaction.jobs.contains_key(&name) || inputs.interesting.contains(&name.as_str());
    let exec = loaded
        .commands
        .iter()
        .map(|command| exec(command, wanted.then_some(&mut *programs)))
        .collect();
    let has_preset = matches!(
        state,
        "enabled" | "enabled-runtime" | "disabled" | "indirect" | "linked" | "linked-runtime"
    );
    Unit {
        aliases: Vec::new(),
        load: loaded.load,
        unit_file_state: state.to_owned(),
        preset: has_preset.then(|| presets.action(&name).as_str().to_owned()),
        referenced: node.referenced,
        fragment: loaded.fragment,
        source: loaded.source,
        drop_ins: loaded.drop_ins,
        masked_by: loaded.masked_by,
        mask_location: loaded.mask_location,
        settings: loaded.settings,
        dependencies,
        exec,
        problems: loaded.problems,
        name,
    }
}

/// Programs of the image, each looked at once.
struct Programs<'a> {
    exec: &'a dyn Fn(&str) -> Fact<Executable>,
    seen: HashMap<String, Fact<Executable>>,
}

impl Programs<'_> {
    fn look(&mut self, program: &str) -> Fact<Executable> {
        let exec = self.exec;
        self.seen
            .entry(program.to_owned())
            .or_insert_with_key(|path| exec(path))
            .clone()
    }
}

fn exec(command: &Command, programs: Option<&mut Programs>) -> Exec {
    Exec {
        directive: command.directive.clone(),
        ignore_failure: command.prefixes.contains('-'),
        prefixes: command.prefixes.clone(),
        path: command.path.clone(),
        arguments: command.arguments.clone(),
        origin: command.origin.clone(),
        target: programs.map(|programs| programs.look(&command.path)),
    }
}

fn aliases(manager: &Manager) -> BTreeMap<String, String> {
    manager
        .names()
        .filter(|(name, id)| manager.nodes[*id].name != *name)
        .map(|(name, id)| (name.to_owned(), manager.nodes[id].name.clone()))
        .collect()
}

/// Adds what udev makes devices want. It counts only once a device has appeared, so it is no part of the initial transaction.
fn udev_wants(facts: &mut SystemdFacts, inputs: &Inputs) {
    let Some(udev) = inputs.udev else {
        return;
    };
    for device in inputs.devices {
        let Some(unit) = name::from_path(&format!("/dev/{device}"), UnitType::Device) else {
            continue;
        };
        for wants in &udev.wants {
            let Some(pattern) = &wants.kernel else {
                continue;
            };
            if !pattern.split('|').any(|p| fnmatch::matches(p, device)) {
                continue;
            }
            for wanted in &wants.units {
                let wanted = wanted
                    .replace("%k", device)
                    .replace("$kernel", device)
                    .replace("$name", device);
                if matches!(name::kind(&wanted), None | Some(name::NameKind::Template)) {
                    continue;
                }
                let entry = facts
                    .units
                    .entry(unit.clone())
                    .or_insert_with(|| Unit::device(&unit));
                entry.dependencies.push(Dependency {
                    kind: DependencyKind::Wants,
                    other: wanted,
                    reason: Reason::Udev(wants.origin.clone()),
                });
            }
        }
    }
}
