//! The units that PID 1 loads: starting from one, everything that a loaded unit names, with the dependencies between them
//! (systemd's `src/core/manager.c`, `unit.c`).

mod default_deps;
mod exec_deps;
mod implicit;

use super::load_path::Lookup;
use super::model::{Dependency, DependencyKind, LoadState, Reason, Setting};
use super::name::{self, UnitType};
use super::tree::{self, Found};
use super::unit::{Declared, Loaded, Loader};
use crate::inspect::filesystem::FileKind;
use crate::inspect::source::{Location, Origin};
use std::collections::{HashMap, HashSet, VecDeque};

/// Units at most; systemd has a similar bound on names.
const UNITS_MAX: usize = 65_536;
/// Dependencies at most.
const EDGES_MAX: usize = 2_000_000;

/// Index of a unit.
pub type Id = usize;

/// A dependency inside the manager.
#[derive(Debug, Clone)]
pub struct Edge {
    pub kind: DependencyKind,
    pub other: Id,
    pub reason: Reason,
}

/// A unit inside the manager.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    pub unit_type: UnitType,
    pub loaded: Loaded,
    pub edges: Vec<Edge>,
    pub default_dependencies: bool,
    /// Loaded because something referred to it, not merely because its file lies there.
    pub referenced: bool,
}

/// How strongly a path's mounts are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Requires,
    Wants,
}

/// Units and what they depend on.
pub struct Manager<'a> {
    pub loader: &'a Loader<'a>,
    pub nodes: Vec<Node>,
    names: HashMap<String, Id>,
    queue: VecDeque<Id>,
    seen: HashSet<(Id, Id, DependencyKind)>,
    /// Paths that units need mounted, with why.
    mounts_for: Vec<(Id, String, Need, Reason)>,
    mounts_done: usize,
    default_stdout: String,
    default_stderr: String,
    /// Units below this index get no further dependencies.
    frozen: Id,
    /// A bound was hit; the graph is not complete.
    pub overflow: bool,
}

impl<'a> Manager<'a> {
    /// A manager with nothing but the units that always exist.
    pub fn new(loader: &'a Loader<'a>, system_conf: &[Setting]) -> Self {
        let conf = |key: &str, default: &str| {
            let found = system_conf
                .iter()
                .rev()
                .find(|s| s.section == "Manager" && s.key == key);
            found.map_or(default, |s| s.value.as_str()).to_owned()
        };
        let mut manager = Manager {
            loader,
            nodes: Vec::new(),
            names: HashMap::new(),
            queue: VecDeque::new(),
            seen: HashSet::new(),
            mounts_for: Vec::new(),
            mounts_done: 0,
            default_stdout: conf("DefaultStandardOutput", "journal"),
            default_stderr: conf("DefaultStandardError", "inherit"),
            frozen: 0,
            overflow: false,
        };
        for name in ["-.slice", "system.slice", "init.scope", "-.mount"] {
            manager.unit(name);
        }
        manager
    }

    fn version(&self) -> u32 {
        self.loader.version
    }

    /// A unit by any of its names, when it has been referred to.
    pub fn find(&self, name: &str) -> Option<Id> {
        self.names.get(name).copied()
    }

    /// Every name and the unit it stands for.
    pub fn names(&self) -> impl Iterator<Item = (&str, Id)> {
        self.names.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// Refers to a unit, which puts it in the queue of units to load. `None` for an invalid name or when there are too many.
    pub fn unit(&mut self, name: &str) -> Option<Id> {
        self.refer(name, true)
    }

    fn refer(&mut self, name: &str, referenced: bool) -> Option<Id> {
        if let Some(id) = self.names.get(name) {
            return Some(*id);
        }
        let unit_type = name::unit_type(name)?;
        if referenced && name::kind(name) == Some(name::NameKind::Template) {
            return None;
        }
        let own = match self.loader.path.lookup(name) {
            Lookup::Fragment { id, .. } => id,
            Lookup::NotFound | Lookup::Loop => name.to_owned(),
        };
        if let Some(id) = self.names.get(&own).copied() {
            self.names.insert(name.to_owned(), id);
            return Some(id);
        }
        if self.nodes.len() >= UNITS_MAX {
            self.overflow = true;
            return None;
        }
        let id = self.nodes.len();
        for alias in self.loader.path.aliases(&own) {
            self.names.entry(alias).or_insert(id);
        }
        self.names.insert(name.to_owned(), id);
        self.names.insert(own.clone(), id);
        self.nodes.push(Node {
            loaded: Loaded::pending(),
            default_dependencies: true,
            edges: Vec::new(),
            name: own,
            unit_type,
            referenced,
        });
        self.queue.push_back(id);
        Some(id)
    }

    /// Loads everything that has been referred to, and what that refers to, until nothing is left.
    pub fn load_all(&mut self) {
        loop {
            while let Some(id) = self.queue.pop_front() {
                self.load(id);
            }
            self.queue_mounts();
            if self.queue.is_empty() {
                break;
            }
        }
        self.link_mounts();
        self.link_targets();
    }

    /// Loads the unit files that nothing refers to, for information. Their dependencies lead to units that were not loaded either.
    pub fn load_unreferenced(&mut self) {
        let names: Vec<String> = self
            .loader
            .path
            .unit_files()
            .keys()
            .map(|n| (*n).to_owned())
            .collect();
        let first = self.nodes.len();
        self.frozen = first;
        for name in names {
            self.refer(&name, false);
        }
        self.load_all();
        for node in &mut self.nodes[first..] {
            node.referenced = false;
        }
    }

    fn load(&mut self, id: Id) {
        let name = self.nodes[id].name.clone();
        let mut loaded = self.loader.load(&name);
        let unit_type = self.nodes[id].unit_type;
        let perpetual = super::unit::is_perpetual(&name);
        self.nodes[id].default_dependencies =
            !perpetual && loaded.flag("Unit", "DefaultDependencies", true);
        let (state, refused_late) = (loaded.load, loaded.refused_late);
        let declared = std::mem::take(&mut loaded.declared);
        self.nodes[id].loaded = loaded;
        if name::kind(&name) == Some(name::NameKind::Template) {
            return;
        }
        for dependency in &declared {
            self.declare(id, dependency);
        }
        let complete = state == LoadState::Loaded || refused_late;
        if complete || (state == LoadState::Masked && self.version() < 256) {
            self.add_links(id);
        }
        if complete {
            self.add_implicit(id, unit_type);
        }
    }

    /// Adds a dependency. One on the unit itself, or of a kind that the units do not allow, is dropped as systemd drops it.
    fn add(&mut self, from: Id, kind: DependencyKind, other: Id, reason: &Reason) {
        use UnitType::*;
        if from == other || from < self.frozen {
            return;
        }
        let (a, b) = (self.nodes[from].unit_type, self.nodes[other].unit_type);
        let refused = match kind {
            DependencyKind::Before => b == Device,
            DependencyKind::OnFailure => matches!(a, Slice | Device),
            DependencyKind::Triggers => !matches!(a, Socket | Timer | Path | Automount),
            DependencyKind::Slice => b != Slice || !a.has_cgroup(),
            _ => false,
        };
        if refused || !self.seen.insert((from, other, kind)) {
            return;
        }
        if self.seen.len() > EDGES_MAX {
            self.overflow = true;
            return;
        }
        self.nodes[from].edges.push(Edge {
            kind,
            other,
            reason: reason.clone(),
        });
    }

    fn add_named(&mut self, from: Id, kinds: &[DependencyKind], other: &str, reason: &Reason) {
        let Some(other) = self.unit(other) else {
            return;
        };
        for kind in kinds {
            self.add(from, *kind, other, reason);
        }
    }

    /// A line of the unit's files.
    fn declare(&mut self, id: Id, declared: &Declared) {
        use DependencyKind::*;
        let reason = self.line_reason(&declared.origin);
        let kinds: &[DependencyKind] = match declared.key.as_str() {
            "Requires" | "RequiresOverridable" => &[Requires],
            "Requisite" | "RequisiteOverridable" => &[Requisite],
            "Wants" => &[Wants],
            "BindsTo" | "BindTo" => &[BindsTo],
            "PartOf" => &[PartOf],
            "Upholds" => &[Upholds],
            "Conflicts" => &[Conflicts],
            "Before" => &[Before],
            "After" => &[After],
            "OnFailure" => &[OnFailure],
            "OnSuccess" => &[OnSuccess],
            "PropagatesStopTo" => &[PropagatesStopTo],
            "Sockets" => {
                if declared.target.ends_with(".socket")
                    && let Some(socket) = self.unit(&declared.target)
                {
                    self.add(id, Wants, socket, &reason);
                    self.add(id, After, socket, &reason);
                    self.add(socket, Triggers, id, &reason);
                }
                return;
            }
            "StopPropagatedFrom" => {
                if let Some(other) = self.unit(&declared.target) {
                    self.add(other, PropagatesStopTo, id, &reason);
                }
                return;
            }
            "RequiresMountsFor" => {
                return self.need_mounts(id, &declared.target, Need::Requires, &reason);
            }
            "WantsMountsFor" => {
                return self.need_mounts(id, &declared.target, Need::Wants, &reason);
            }
            // Reload propagation and shared namespaces load the other unit and have no part in a start.
            _ => &[],
        };
        self.add_named(id, kinds, &declared.target, &reason);
    }

    /// Why a line of a file counts: files that a generator would write point at what it made them from.
    fn line_reason(&self, origin: &Origin) -> Reason {
        match self.loader.tree.maker(&origin.file.path) {
            None => Reason::Line(origin.clone()),
            Some(maker) => match &maker.origin {
                Some(origin) => Reason::Line(origin.clone()),
                None => Reason::Generator(format!("{}: {}", maker.name, maker.why)),
            },
        }
    }

    /// Links in `.wants`, `.requires` and `.upholds` directories.
    fn add_links(&mut self, id: Id) {
        let tree = self.loader.tree;
        let name = self.nodes[id].name.clone();
        let aliases = self.loader.path.aliases(&name);
        let mut names = vec![name.as_str()];
        names.extend(aliases.iter().map(String::as_str));
        let mut kinds = vec![
            (".wants", DependencyKind::Wants),
            (".requires", DependencyKind::Requires),
        ];
        if self.version() >= 254 {
            kinds.push((".upholds", DependencyKind::Upholds));
        }
        for (suffix, kind) in kinds {
            for path in self.loader.path.drop_ins(tree, &names, suffix, "") {
                let (_, entry) = tree::split(&path);
                let valid = name::kind(entry).is_some();
                if !valid
                    || tree.entry(&path) != Some(FileKind::Symlink)
                    || tree.resolve(&path).1 == Found::Null
                {
                    continue;
                }
                let Some(target) = template_filled(entry, &name) else {
                    continue;
                };
                let reason = self.link_reason(&path);
                self.add_named(id, &[kind], &target, &reason);
            }
        }
    }

    fn link_reason(&self, path: &str) -> Reason {
        match self.loader.tree.maker(path) {
            None => Reason::Link(Location::file(self.loader.tree.fs().partition(), path)),
            Some(maker) if maker.name == "preset" => match &maker.origin {
                Some(origin) => Reason::Preset(origin.clone()),
                None => Reason::Generator(format!("preset: {}", maker.why)),
            },
            Some(maker) => match &maker.origin {
                Some(origin) if maker.name == "fstab-generator" => Reason::Line(origin.clone()),
                _ => Reason::Generator(format!("{}: {}", maker.name, maker.why)),
            },
        }
    }

    fn need_mounts(&mut self, id: Id, path: &str, need: Need, reason: &Reason) {
        let path = name::simplify_path(path);
        if path.starts_with('/') && name::is_normalized(&path) {
            self.mounts_for.push((id, path, need, reason.clone()));
        }
    }

    /// Refers to the mount units of all needed paths and their parents.
    fn queue_mounts(&mut self) {
        while self.mounts_done < self.mounts_for.len() {
            let (id, path, ..) = &self.mounts_for[self.mounts_done];
            let (id, path) = (*id, path.clone());
            self.mounts_done += 1;
            if self.nodes[id].loaded.load != LoadState::Loaded {
                continue;
            }
            for prefix in prefixes(&path) {
                if let Some(mount) = name::from_path(prefix, UnitType::Mount) {
                    self.unit(&mount);
                }
            }
        }
    }

    fn link_mounts(&mut self) {
        for (id, path, need, reason) in std::mem::take(&mut self.mounts_for) {
            if self.nodes[id].loaded.load != LoadState::Loaded {
                continue;
            }
            for prefix in prefixes(&path) {
                let Some(mount) =
                    name::from_path(prefix, UnitType::Mount).and_then(|m| self.find(&m))
                else {
                    continue;
                };
                if self.nodes[mount].loaded.load != LoadState::Loaded {
                    continue;
                }
                self.add(id, DependencyKind::After, mount, &reason);
                if self.nodes[mount].loaded.fragment.is_some() {
                    let kind = match need {
                        Need::Requires => DependencyKind::Requires,
                        Need::Wants => DependencyKind::Wants,
                    };
                    self.add(id, kind, mount, &reason);
                }
            }
        }
        self.mounts_done = 0;
    }

    /// Targets are ordered after what they pull in, unless they are ordered before it (systemd.target(5), "Default Dependencies").
    fn link_targets(&mut self) {
        use DependencyKind::*;
        for target in 0..self.nodes.len() {
            let node = &self.nodes[target];
            if node.unit_type != UnitType::Target
                || node.loaded.load != LoadState::Loaded
                || !node.default_dependencies
            {
                continue;
            }
            let members: Vec<Id> = node
                .edges
                .iter()
                .filter(|e| {
                    matches!(
                        e.kind,
                        Requires | Requisite | Wants | BindsTo | PartOf | Upholds
                    )
                })
                .map(|e| e.other)
                .collect();
            for member in members {
                let node = &self.nodes[member];
                let before = self.seen.contains(&(target, member, Before))
                    || self.seen.contains(&(member, target, After));
                if node.loaded.load == LoadState::Loaded && node.default_dependencies && !before {
                    self.add(target, After, member, &Reason::Default);
                }
            }
        }
    }

    /// Hands a unit out as facts; its dependencies and settings are gone from here afterwards.
    pub fn take(&mut self, id: Id) -> (Loaded, Vec<Dependency>) {
        let loaded = std::mem::replace(&mut self.nodes[id].loaded, Loaded::pending());
        let edges = std::mem::take(&mut self.nodes[id].edges);
        let dependencies = edges
            .into_iter()
            .map(|edge| Dependency {
                kind: edge.kind,
                other: self.nodes[edge.other].name.clone(),
                reason: edge.reason,
            })
            .collect();
        (loaded, dependencies)
    }
}

/// `/a/b` → `/`, `/a`, `/a/b`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    let ends = path
        .char_indices()
        .skip(1)
        .filter(|(_, c)| *c == '/')
        .map(|(i, _)| i);
    let all = ends.chain((path.len() > 1).then_some(path.len()));
    std::iter::once("/").chain(all.map(move |end| &path[..end]))
}

/// A template named in a dependency takes the instance of the unit that names it, or its prefix.
fn template_filled(entry: &str, unit: &str) -> Option<String> {
    if name::kind(entry) != Some(name::NameKind::Template) {
        return Some(entry.to_owned());
    }
    let instance = name::instance(unit).unwrap_or_else(|| name::prefix(unit));
    name::with_instance(entry, instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_prefixes() {
        assert_eq!(
            prefixes("/a/bc/d").collect::<Vec<_>>(),
            ["/", "/a", "/a/bc", "/a/bc/d"]
        );
        assert_eq!(prefixes("/").collect::<Vec<_>>(), ["/"]);
    }
}
