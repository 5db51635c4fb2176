//! State of unit files as `systemctl --root=… list-unit-files` prints it (systemd's `src/shared/install.c`,
//! `unit_file_lookup_state`).

use super::install::Install;
use super::load_path::{LoadPath, alias_allowed};
use super::name::{self, NameKind};
use super::tree::{self, Found, Tree};
use super::unit::Loader;
use crate::inspect::filesystem::FileKind;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Links followed before giving up (`UNIT_FILE_FOLLOW_SYMLINK_MAX`).
const FOLLOW_MAX: usize = 64;

/// What one directory of the search path says about enablement.
#[derive(Default)]
struct Links {
    /// Links in `.wants`, `.requires` and `.upholds` directories.
    pulled: HashSet<String>,
    /// Template → links that are instances of it.
    instances: HashMap<String, Vec<String>>,
    /// Links in the directory itself.
    names: HashSet<String>,
    /// Name that a link points at → links.
    targets: HashMap<String, Vec<String>>,
}

enum Mode {
    Regular,
    Masked,
    /// A link; where it goes, and whether that lies outside of the search path.
    Link(String, bool),
}

struct Discovered {
    name: String,
    path: String,
    masked: bool,
}

/// Answers for one image.
pub struct Enablement<'a> {
    tree: &'a Tree<'a>,
    path: &'a LoadPath,
    loader: &'a Loader<'a>,
    links: Vec<Links>,
}

impl<'a> Enablement<'a> {
    /// Reads the links.
    pub fn new(loader: &'a Loader<'a>) -> Self {
        let (tree, path) = (loader.tree, loader.path);
        let links = path
            .dirs
            .iter()
            .map(|dir| read_links(tree, &dir.path, loader.version))
            .collect();
        Enablement {
            tree,
            path,
            loader,
            links,
        }
    }

    /// Every unit file, link and mask with its state.
    pub fn states(&self) -> BTreeMap<String, &'static str> {
        let mut states = BTreeMap::new();
        for dir in &self.path.dirs {
            for entry in self.tree.list(&dir.path).iter().flat_map(|l| l.iter()) {
                let counts = matches!(entry.kind, FileKind::Regular | FileKind::Symlink)
                    && name::kind(&entry.name).is_some();
                if counts
                    && !states.contains_key(&entry.name)
                    && !super::load_path::is_backup(&entry.name)
                {
                    states.insert(entry.name.clone(), self.state(&entry.name));
                }
            }
        }
        states
    }

    /// State of one name.
    pub fn state(&self, unit: &str) -> &'static str {
        let Some(found) = self.discover(unit) else {
            return "bad";
        };
        let (dir, base) = tree::split(&found.path);
        let runtime = dir.starts_with("/run/");
        if found.masked {
            return if runtime { "masked-runtime" } else { "masked" };
        }
        let is_instance = name::kind(&found.name) == Some(NameKind::Instance);
        if unit != base && !is_instance {
            return "alias";
        }
        match dir {
            "/run/systemd/generator"
            | "/run/systemd/generator.early"
            | "/run/systemd/generator.late" => return "generated",
            "/run/systemd/transient" => return "transient",
            _ => {}
        }
        let Some(install) = self.loader.install(&found.name, &found.path) else {
            return "bad";
        };
        if let Some(state) = self.linked(&found, &install, true) {
            return state;
        }
        if self.linked(&found, &install, false).is_some() {
            return "indirect";
        }
        if install.has_rules() {
            "disabled"
        } else if !install.also.is_empty() {
            "indirect"
        } else {
            "static"
        }
    }

    /// Finds the file of a name, following aliases and links.
    fn discover(&self, unit: &str) -> Option<Discovered> {
        let mut name = unit.to_owned();
        let mut path = self.search(&name)?;
        for _ in 0..FOLLOW_MAX {
            let (target, outside) = match self.mode(&path)? {
                Mode::Regular => {
                    return Some(Discovered {
                        name,
                        path,
                        masked: false,
                    });
                }
                Mode::Masked => {
                    return Some(Discovered {
                        name,
                        path,
                        masked: true,
                    });
                }
                Mode::Link(target, outside) => (target, outside),
            };
            let (_, base) = tree::split(&target);
            if outside || base == name {
                path = target;
                continue;
            }
            let next = match (name::kind(&name), name::kind(base)) {
                (Some(NameKind::Instance), Some(NameKind::Template)) => {
                    let instance = name::instance(&name).unwrap_or_default();
                    name::with_instance(base, instance)?
                }
                _ => base.to_owned(),
            };
            if next == name {
                path = target;
                continue;
            }
            name = next;
            path = self.search(&name)?;
        }
        None
    }

    /// First path of a name, or of its template.
    fn search(&self, unit: &str) -> Option<String> {
        let in_dirs = |unit: &str| {
            self.path
                .dirs
                .iter()
                .map(|dir| tree::join(&dir.path, unit))
                .find(|path| self.tree.entry(path).is_some())
        };
        in_dirs(unit).or_else(|| match name::kind(unit) {
            Some(NameKind::Instance) => in_dirs(&name::template(unit)?),
            _ => None,
        })
    }

    /// What a path is; `None` for what cannot be a unit file, and for links that are no proper alias.
    fn mode(&self, path: &str) -> Option<Mode> {
        match self.tree.entry(path)? {
            FileKind::Regular => Some(match self.tree.resolve(path).1 {
                Found::Null => Mode::Masked,
                _ => Mode::Regular,
            }),
            FileKind::Symlink => {
                let target = self.tree.link_destination(path)?;
                if self.tree.resolve(&target).1 == Found::Null {
                    return Some(Mode::Masked);
                }
                if !self.path.is_inside(&target) {
                    return Some(Mode::Link(target, true));
                }
                let (_, base) = tree::split(&target);
                let (_, own) = tree::split(path);
                alias_allowed(own, base).then_some(Mode::Link(target, false))
            }
            FileKind::Directory | FileKind::Special => None,
        }
    }

    /// Whether links enable the unit, and how. With `match_name`, only links that `systemctl enable` would make.
    fn linked(
        &self,
        found: &Discovered,
        install: &Install,
        match_name: bool,
    ) -> Option<&'static str> {
        let unit = found.name.as_str();
        let (mut runtime, mut at_all) = (false, false);
        let (mut same_config, mut same_runtime) = (false, false);
        // Links of the same name in directories below the unit's own have no effect.
        let mut below = false;
        for (dir, links) in self.path.dirs.iter().zip(&self.links) {
            let mut same_name = false;
            let mut candidates: Vec<&str> = Vec::new();
            if links.pulled.contains(unit) {
                candidates.push(unit);
            }
            candidates.extend(
                links
                    .instances
                    .get(unit)
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
            let to_unit = |link: &str| {
                links
                    .targets
                    .get(unit)
                    .is_some_and(|l| l.iter().any(|x| x == link))
            };
            if !below && links.names.contains(unit) {
                if to_unit(unit) {
                    same_name = true;
                } else {
                    candidates.push(unit);
                }
            }
            candidates.extend(
                links
                    .targets
                    .get(unit)
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .filter(|l| *l != unit),
            );
            let hit = candidates
                .iter()
                .any(|link| !match_name || install.knows(unit, link));
            let is_runtime = dir.path.starts_with("/run/");
            if hit {
                if dir.asked == "/etc/systemd/system" {
                    return Some("enabled");
                }
                runtime |= is_runtime;
                at_all |= !is_runtime;
            } else if same_name {
                same_config |= dir.asked == "/etc/systemd/system";
                same_runtime |= is_runtime;
            }
            below |= found
                .path
                .strip_prefix(dir.path.as_str())
                .is_some_and(|rest| rest.starts_with('/'));
        }
        if runtime {
            return Some("enabled-runtime");
        }
        if at_all && name::kind(unit) == Some(NameKind::Instance) {
            return Some("static");
        }
        if same_config {
            return Some("linked");
        }
        same_runtime.then_some("linked-runtime")
    }
}

fn read_links(tree: &Tree, dir: &str, version: u32) -> Links {
    let mut links = Links::default();
    for entry in tree.list(dir).iter().flat_map(|l| l.iter()) {
        match entry.kind {
            FileKind::Directory => {
                let suffix = entry.name.rsplit_once('.').map_or("", |(_, s)| s);
                if suffix != "wants"
                    && suffix != "requires"
                    && !(suffix == "upholds" && version >= 254)
                {
                    continue;
                }
                for link in tree
                    .list(&tree::join(dir, &entry.name))
                    .iter()
                    .flat_map(|l| l.iter())
                {
                    if link.kind != FileKind::Symlink {
                        continue;
                    }
                    links.pulled.insert(link.name.clone());
                    if let Some(template) =
                        name::kind(&link.name).and_then(|_| name::template(&link.name))
                    {
                        links
                            .instances
                            .entry(template)
                            .or_default()
                            .push(link.name.clone());
                    }
                }
            }
            FileKind::Symlink => {
                links.names.insert(entry.name.clone());
                if let Some(target) = tree.link(&tree::join(dir, &entry.name)) {
                    let (_, base) = tree::split(&target);
                    links
                        .targets
                        .entry(base.to_owned())
                        .or_default()
                        .push(entry.name.clone());
                }
            }
            FileKind::Regular | FileKind::Special => {}
        }
    }
    links
}
