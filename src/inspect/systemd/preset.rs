//! Presets (systemd.preset(5)): which units are enabled when the image boots for the first time.

use super::Inputs;
use super::generators::words;
use super::install::Install;
use super::load_path::{self, LoadPath, Lookup};
use super::name::{self, NameKind};
use super::tree::{self, Found, Maker, Overlay, Tree};
use super::unit::Loader;
use crate::inspect::cmdline::same_key;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::fnmatch;
use crate::inspect::source::Origin;
use std::collections::{BTreeMap, BTreeSet};

/// Directories of presets, best first.
const DIRECTORIES: &[&str] = &[
    "/etc/systemd/system-preset",
    "/run/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// Where first-boot presets put their links.
const CONFIG: &str = "/etc/systemd/system";

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Enable the unit.
    Enable,
    /// Disable it.
    Disable,
    /// Leave it as it is.
    Ignore,
}

impl Action {
    /// As `systemctl` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Enable => "enabled",
            Action::Disable => "disabled",
            Action::Ignore => "ignored",
        }
    }
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    action: Action,
    instances: Vec<String>,
    origin: Origin,
}

/// All rules in order; the first that matches counts.
#[derive(Debug, Default)]
pub struct Presets {
    rules: Vec<Rule>,
}

impl Presets {
    /// Reads the preset files.
    pub fn read(tree: &Tree, version: u32) -> Self {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for dir in DIRECTORIES.iter().filter_map(|dir| tree.canonical_dir(dir)) {
            for entry in tree.list(&dir).iter().flat_map(|l| l.iter()) {
                if entry.name.ends_with(".preset") && !load_path::is_backup(&entry.name) {
                    files
                        .entry(entry.name.clone())
                        .or_insert_with(|| tree::join(&dir, &entry.name));
                }
            }
        }
        let mut presets = Presets::default();
        for path in files.into_values() {
            let (real, found) = tree.resolve(&path);
            if found != Found::File {
                continue;
            }
            let Ok(source) = tree.read(&real) else {
                continue;
            };
            for (index, line) in source.text.lines().enumerate() {
                let mut words = line.split_whitespace();
                let action = match words.next() {
                    Some("enable") => Action::Enable,
                    Some("disable") => Action::Disable,
                    Some("ignore") if version >= 254 => Action::Ignore,
                    _ => continue,
                };
                let Some(pattern) = words.next() else {
                    continue;
                };
                let instances: Vec<String> = words.map(str::to_owned).collect();
                if !instances.is_empty() && name::kind(pattern) != Some(NameKind::Template) {
                    continue;
                }
                presets.rules.push(Rule {
                    pattern: pattern.to_owned(),
                    action,
                    instances,
                    origin: Origin::line(&source, index as u32 + 1),
                });
            }
        }
        presets
    }

    fn rule(&self, unit: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            let template = || name::template(unit).is_some_and(|t| t == rule.pattern);
            let instance = || match name::kind(unit) {
                Some(NameKind::Template) => true,
                Some(NameKind::Instance) => rule
                    .instances
                    .iter()
                    .any(|i| Some(i.as_str()) == name::instance(unit)),
                _ => false,
            };
            (!rule.instances.is_empty() && template() && instance())
                || fnmatch::matches(&rule.pattern, unit)
        })
    }

    /// What the presets say of a unit; without a rule it is enabled.
    pub fn action(&self, unit: &str) -> Action {
        self.rule(unit).map_or(Action::Enable, |rule| rule.action)
    }
}

/// Whether this boot will be taken for the first (`/etc/machine-id` absent or `uninitialized`, or the command line says so).
pub fn is_first_boot(fs: &dyn FileSystem, inputs: &Inputs) -> bool {
    let word = words(inputs)
        .filter(|w| same_key(&w.key, "systemd.condition-first-boot"))
        .last();
    let forced = word.and_then(|w| {
        w.value
            .as_deref()
            .map_or(Some(true), super::keys::parse_bool)
    });
    if let Some(forced) = forced {
        return forced;
    }
    match fs.read("/etc/machine-id", CONFIG_CAP) {
        Ok(id) => String::from_utf8_lossy(&id).lines().next() == Some("uninitialized"),
        Err(_) => true,
    }
}

/// Whether PID 1 finds the root mounted for writing: kernel and initrds mount it `ro` unless the last of `ro` and `rw` is
/// `rw`, and presets that cannot be written are passed over ("Failed to populate /etc with preset unit settings, ignoring").
pub fn root_is_writable(inputs: &Inputs) -> bool {
    let word = words(inputs)
        .filter(|w| matches!(w.key.as_str(), "ro" | "rw"))
        .last();
    word.is_some_and(|w| w.key == "rw")
}

/// The links that PID 1 makes on a first boot: every unit file that the presets do not disable is enabled.
pub(super) fn apply(tree: &Tree, path: &LoadPath, presets: &Presets, loader: &Loader) -> Overlay {
    let mut overlay = Overlay::default();
    let mut done = BTreeSet::new();
    for unit in path.unit_files().into_keys() {
        let rule = presets.rule(unit);
        if rule.is_some_and(|rule| rule.action != Action::Enable) {
            continue;
        }
        let maker = Maker {
            name: "preset",
            why: match rule {
                Some(rule) => format!("{} enables it at first boot", rule.origin.location()),
                None => "no preset names it, so first boot enables it".into(),
            },
            origin: rule.map(|rule| rule.origin.clone()),
        };
        let instances: Vec<String> = rule
            .into_iter()
            .flat_map(|r| &r.instances)
            .filter_map(|i| name::with_instance(unit, i))
            .collect();
        let mut queue = if instances.is_empty() {
            vec![unit.to_owned()]
        } else {
            instances
        };
        while let Some(unit) = queue.pop() {
            if done.insert(unit.clone()) {
                queue.extend(enable(&mut overlay, tree, path, loader, &unit, &maker));
            }
        }
    }
    overlay
}

/// Enables one unit; the units of its `Also=`.
fn enable(
    overlay: &mut Overlay,
    tree: &Tree,
    path: &LoadPath,
    loader: &Loader,
    unit: &str,
    maker: &Maker,
) -> Vec<String> {
    // Only unit files proper; masks, generated and linked ones are left alone.
    let file = match path.lookup(unit) {
        Lookup::Fragment { path, .. }
            if !path.starts_with("/run/") && tree.resolve(&path) == (path.clone(), Found::File) =>
        {
            path
        }
        _ => return Vec::new(),
    };
    let Some(install) = loader.install(unit, &file) else {
        return Vec::new();
    };
    for alias in &install.aliases {
        let link = format!("{CONFIG}/{alias}");
        if load_path::alias_allowed(alias, unit) && tree.entry(&link).is_none() {
            overlay.link(&link, &file, maker.clone());
        }
    }
    for (list, kind) in [
        (&install.wanted_by, "wants"),
        (&install.required_by, "requires"),
        (&install.upheld_by, "upholds"),
    ] {
        for by in list {
            if let Some(entry) = pulled_name(unit, by, &install) {
                overlay.link(
                    &format!("{CONFIG}/{by}.{kind}/{entry}"),
                    &file,
                    maker.clone(),
                );
            }
        }
    }
    install.also
}

/// Name of the link below `by`; templates need a default instance, or a template or instance to be linked from.
fn pulled_name(unit: &str, by: &str, install: &Install) -> Option<String> {
    let by = name::kind(by)?;
    if name::kind(unit) != Some(NameKind::Template) {
        return Some(unit.to_owned());
    }
    match &install.default_instance {
        Some(instance) => name::with_instance(unit, instance),
        None => (by != NameKind::Plain).then(|| unit.to_owned()),
    }
}
