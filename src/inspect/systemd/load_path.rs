//! Where unit files are found: search path, names and aliases, drop-in directories (systemd.unit(5), "Unit File Load Path";
//! systemd's `src/basic/path-lookup.c`, `unit-file.c`, `src/shared/dropin.c`).

use super::name::{self, NameKind, UnitType};
use super::tree::{self, Found, Tree};
use crate::inspect::filesystem::FileKind;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Aliases followed before giving up (`FOLLOW_MAX`).
const ALIASES_MAX: usize = 8;

/// A directory of the search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchDir {
    /// Canonical path.
    pub path: String,
    /// The name under which systemd looks for it (`/lib/systemd/system`).
    pub asked: &'static str,
}

/// The search path of system units, best first. `/lib` comes before `/usr/lib` in builds that support a split `/usr`.
pub const SEARCH_PATH: &[&str] = &[
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// What a name in the search path is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A unit file, or a link to one outside the search path; its own path.
    Fragment(String),
    /// A link to another name.
    Alias(String),
}

/// Result of looking for a unit's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// There is a unit file, or a link to one.
    Fragment {
        /// Path of the file or link.
        path: String,
        /// The unit's own name.
        id: String,
    },
    /// Nothing.
    NotFound,
    /// Aliases that go in a circle.
    Loop,
}

/// The directories and the names in them.
pub struct LoadPath {
    /// Directories that exist, best first.
    pub dirs: Vec<SearchDir>,
    /// Every path that counts as inside the search path, canonical and not.
    inside: Vec<String>,
    names: HashMap<String, Entry>,
    /// Unit name → names that lead to it.
    aliases: HashMap<String, Vec<String>>,
    /// `foo.service.d`, `x.wants`, … → the directories (by index) that have one.
    subdirs: HashMap<String, Vec<usize>>,
    /// Prefixes (`foo-`) for which any such directory exists.
    dash_prefixes: HashSet<String>,
}

impl LoadPath {
    /// Reads the search path. `split_usr`: this systemd looks into `/lib` too.
    pub fn read(tree: &Tree, split_usr: bool) -> Self {
        let mut path = LoadPath {
            dirs: Vec::new(),
            inside: Vec::new(),
            names: HashMap::new(),
            aliases: HashMap::new(),
            subdirs: HashMap::new(),
            dash_prefixes: HashSet::new(),
        };
        for asked in SEARCH_PATH {
            if *asked == "/lib/systemd/system" && !split_usr {
                continue;
            }
            path.inside.push((*asked).to_owned());
            let Some(canonical) = tree.canonical_dir(asked) else {
                continue;
            };
            if path.dirs.iter().any(|d| d.path == canonical) || tree.list(&canonical).is_none() {
                continue;
            }
            path.inside.push(canonical.clone());
            path.dirs.push(SearchDir {
                path: canonical,
                asked,
            });
        }
        for index in 0..path.dirs.len() {
            path.read_dir(tree, index);
        }
        path.reverse(tree);
        path
    }

    fn read_dir(&mut self, tree: &Tree, index: usize) {
        let dir = self.dirs[index].path.clone();
        let Some(entries) = tree.list(&dir) else {
            return;
        };
        for entry in entries.iter() {
            if name::kind(&entry.name).is_none() {
                self.read_subdir(tree, index, &dir, &entry.name, entry.kind);
                continue;
            }
            if self.names.contains_key(&entry.name) {
                continue;
            }
            let path = tree::join(&dir, &entry.name);
            let found = match entry.kind {
                FileKind::Regular => Some(Entry::Fragment(path)),
                FileKind::Symlink => self.read_link(tree, &path, &entry.name),
                FileKind::Directory | FileKind::Special => None,
            };
            if let Some(found) = found {
                self.names.insert(entry.name.clone(), found);
            }
        }
    }

    fn read_subdir(&mut self, tree: &Tree, index: usize, dir: &str, entry: &str, kind: FileKind) {
        let Some(owner) = subdir_owner(entry) else {
            return;
        };
        let is_dir = kind == FileKind::Directory
            || (kind == FileKind::Symlink
                && tree.resolve(&tree::join(dir, entry)).1 == Found::Directory);
        if !is_dir {
            return;
        }
        self.subdirs
            .entry(entry.to_owned())
            .or_default()
            .push(index);
        let prefix = name::prefix(owner);
        if prefix.ends_with('-') {
            self.dash_prefixes.insert(prefix.to_owned());
        }
    }

    /// A link inside the search path is an alias when it stays inside, and a linked unit file or mask when it leaves. `None`: an
    /// alias that is not allowed, which systemd passes over.
    fn read_link(&self, tree: &Tree, path: &str, entry: &str) -> Option<Entry> {
        let target = tree.link_destination(path)?;
        if !self.is_inside(&target) {
            return Some(Entry::Fragment(path.to_owned()));
        }
        let (_, target) = tree::split(&target);
        alias_allowed(entry, target).then(|| Entry::Alias(target.to_owned()))
    }

    /// Whether a path lies below a directory of the search path.
    pub fn is_inside(&self, path: &str) -> bool {
        self.inside.iter().any(|dir| {
            path.strip_prefix(dir.as_str())
                .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
        })
    }

    /// Builds the table of aliases, masked units left out.
    fn reverse(&mut self, tree: &Tree) {
        let mut aliases: HashMap<String, Vec<String>> = HashMap::new();
        let sorted: BTreeMap<_, _> = self.names.iter().collect();
        for name in sorted.into_keys() {
            let Ok(path) = self.follow(name) else {
                continue;
            };
            // Only links can be masks here; an empty file is found when it is read.
            if tree.entry(&path) == Some(FileKind::Symlink) && tree.resolve(&path).1 == Found::Null
            {
                continue;
            }
            let (_, target) = tree::split(&path);
            let target = match (name::kind(target), name::kind(name)) {
                (Some(NameKind::Template), Some(NameKind::Instance)) => {
                    let instance = name::instance(name).unwrap_or_default();
                    match name::with_instance(target, instance) {
                        Some(target) => target,
                        None => continue,
                    }
                }
                _ => target.to_owned(),
            };
            aliases.entry(target).or_default().push(name.clone());
        }
        self.aliases = aliases;
    }

    /// Follows aliases to a unit file. `Err(true)`: nothing there; `Err(false)`: a circle.
    fn follow(&self, name: &str) -> Result<String, bool> {
        let mut current = name.to_owned();
        for hop in 0..ALIASES_MAX {
            let mut entry = self.names.get(&current);
            if entry.is_none() && hop > 0 {
                entry = name::template(&current).and_then(|t| self.names.get(&t));
            }
            match entry {
                None => return Err(true),
                Some(Entry::Fragment(path)) => return Ok(path.clone()),
                Some(Entry::Alias(next)) => current = next.clone(),
            }
        }
        Err(false)
    }

    /// Finds the unit file of a plain or instance name.
    pub fn lookup(&self, unit: &str) -> Lookup {
        let mut found = self.follow(unit);
        if found == Err(true)
            && name::kind(unit) == Some(NameKind::Instance)
            && let Some(template) = name::template(unit)
        {
            found = self.follow(&template);
        }
        match found {
            Ok(path) => {
                let (_, base) = tree::split(&path);
                let id = match (name::kind(base), name::instance(unit)) {
                    (Some(NameKind::Template), Some(instance)) if !instance.is_empty() => {
                        name::with_instance(base, instance)
                    }
                    _ => Some(base.to_owned()),
                };
                match id {
                    Some(id) => Lookup::Fragment { path, id },
                    None => Lookup::NotFound,
                }
            }
            Err(true) => Lookup::NotFound,
            Err(false) => Lookup::Loop,
        }
    }

    /// Other names of a unit whose own name is `id`.
    pub fn aliases(&self, id: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: String| {
            if name != id && !names.contains(&name) {
                names.push(name);
            }
        };
        for name in self.aliases.get(id).into_iter().flatten() {
            add(name.clone());
        }
        if name::kind(id) == Some(NameKind::Instance)
            && let (Some(instance), Some(template)) = (name::instance(id), name::template(id))
        {
            for name in self.aliases.get(&template).into_iter().flatten() {
                if name::kind(name) != Some(NameKind::Template) {
                    continue;
                }
                let Some(name) = name::with_instance(name, instance) else {
                    continue;
                };
                // An instance that has a file of its own is no alias.
                let elsewhere =
                    matches!(self.lookup(&name), Lookup::Fragment { id: other, .. } if other != id);
                if !elsewhere {
                    add(name);
                }
            }
        }
        names
    }

    /// All names in the search path that are unit files (not aliases), sorted, with the path.
    pub fn unit_files(&self) -> BTreeMap<&str, &str> {
        self.names
            .iter()
            .filter_map(|(name, entry)| match entry {
                Entry::Fragment(path) => Some((name.as_str(), path.as_str())),
                Entry::Alias(_) => None,
            })
            .collect()
    }

    /// Drop-ins in `<name>.d` of exactly these names, sorted by file name, of equal ones only the best.
    pub fn own_drop_ins(&self, tree: &Tree, names: &[&str]) -> Vec<String> {
        let mut dirs = Vec::new();
        for name in names {
            self.add_dirs(&mut dirs, &[(*name).to_owned()], ".d");
        }
        list_files(tree, &dirs, ".conf")
    }

    /// Files below `<name><suffix>/` for a unit with these names, in the order in which they apply: sorted by file name, of equal
    /// ones only the one in the best directory. With `ending`, only files with that ending.
    pub fn drop_ins(&self, tree: &Tree, names: &[&str], suffix: &str, ending: &str) -> Vec<String> {
        list_files(tree, &self.drop_in_dirs(names, suffix), ending)
    }

    /// Drop-in directories that exist, most specific first.
    fn drop_in_dirs(&self, names: &[&str], suffix: &str) -> Vec<String> {
        let mut dirs = Vec::new();
        for name in names {
            self.add_dirs(&mut dirs, &self.drop_in_names(name), suffix);
        }
        if let Some(unit_type) = names.first().and_then(|n| name::unit_type(n)) {
            self.add_dirs(&mut dirs, &[unit_type.suffix().to_owned()], suffix);
        }
        dirs
    }

    fn add_dirs(&self, dirs: &mut Vec<String>, names: &[String], suffix: &str) {
        let mut found: Vec<(usize, String)> = Vec::new();
        for name in names {
            let subdir = format!("{name}{suffix}");
            for index in self.subdirs.get(&subdir).into_iter().flatten() {
                found.push((*index, tree::join(&self.dirs[*index].path, &subdir)));
            }
        }
        found.sort_by_key(|(index, _)| *index);
        dirs.extend(found.into_iter().map(|(_, dir)| dir));
    }

    /// Names whose drop-ins apply to a unit: itself, its template, and those that end in a dash and begin both.
    fn drop_in_names(&self, unit: &str) -> Vec<String> {
        let mut names = vec![unit.to_owned()];
        let instance = name::instance(unit).filter(|i| !i.is_empty());
        if instance.is_some() {
            names.extend(name::template(unit));
        }
        if self.dash_prefixes.is_empty() {
            return names;
        }
        let Some(unit_type) = name::unit_type(unit) else {
            return names;
        };
        let suffix = unit_type.suffix();
        let prefixes: Vec<&str> = dash_prefixes(name::prefix(unit))
            .filter(|p| self.dash_prefixes.contains(*p))
            .collect();
        names.extend(prefixes.iter().map(|p| format!("{p}.{suffix}")));
        if let Some(instance) = instance {
            for prefix in &prefixes {
                names.push(format!("{prefix}@{instance}.{suffix}"));
                names.push(format!("{prefix}@.{suffix}"));
            }
        }
        names
    }
}

/// Files of directories by name; of equal names only the first directory's.
fn list_files(tree: &Tree, dirs: &[String], ending: &str) -> Vec<String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for dir in dirs {
        let Some(canonical) = tree.canonical_dir(dir) else {
            continue;
        };
        let Some(entries) = tree.list(&canonical) else {
            continue;
        };
        for entry in entries.iter() {
            if entry.name.ends_with(ending) && !is_backup(&entry.name) {
                files
                    .entry(entry.name.clone())
                    .or_insert_with(|| tree::join(&canonical, &entry.name));
            }
        }
    }
    files.into_values().collect()
}

/// `a-b-c` → `a-b-`, `a-`.
fn dash_prefixes(prefix: &str) -> impl Iterator<Item = &str> {
    let mut rest = prefix;
    std::iter::from_fn(move || {
        rest = rest.strip_suffix('-').unwrap_or(rest);
        let dash = rest.rfind('-').filter(|dash| *dash > 0)?;
        rest = &rest[..=dash];
        Some(rest)
    })
}

/// The unit name (or type) in `foo.service.d`, `foo.service.wants`, `service.d`.
fn subdir_owner(entry: &str) -> Option<&str> {
    let owner = [".wants", ".requires", ".upholds", ".d"]
        .iter()
        .find_map(|suffix| entry.strip_suffix(suffix))?;
    (name::kind(owner).is_some() || UnitType::from_suffix(owner).is_some()).then_some(owner)
}

/// Whether a link with this name may stand for a unit of that name (`unit_validate_alias_symlink_or_warn`).
pub fn alias_allowed(link: &str, target: &str) -> bool {
    let (Some(from), Some(to)) = (name::kind(link), name::kind(target)) else {
        return false;
    };
    let (Some(from_type), Some(to_type)) = (name::unit_type(link), name::unit_type(target)) else {
        return false;
    };
    if link == target || from_type != to_type || !from_type.may_alias() {
        return false;
    }
    if from != NameKind::Plain && !from_type.may_template() {
        return false;
    }
    match (from, to) {
        (NameKind::Instance, NameKind::Instance) => name::instance(link) == name::instance(target),
        (NameKind::Instance, NameKind::Template) => true,
        _ => from == to,
    }
}

/// Names that systemd passes over in directories of drop-ins (`hidden_or_backup_file`).
pub fn is_backup(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "rpmnew",
        "rpmsave",
        "rpmorig",
        "dpkg-old",
        "dpkg-new",
        "dpkg-tmp",
        "dpkg-dist",
        "dpkg-bak",
        "dpkg-backup",
        "dpkg-remove",
        "ucf-new",
        "ucf-old",
        "ucf-dist",
        "swp",
        "bak",
        "old",
        "new",
    ];
    name.starts_with('.')
        || name.ends_with('~')
        || matches!(name, "lost+found" | "aquota.user" | "aquota.group")
        || name
            .rsplit_once('.')
            .is_some_and(|(_, end)| ENDINGS.contains(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let all = |p| dash_prefixes(p).collect::<Vec<_>>();
        assert_eq!(all("a-b-c"), ["a-b-", "a-"]);
        assert_eq!(all("a-b-"), ["a-"]);
        assert_eq!(all("a"), Vec::<&str>::new());
        assert_eq!(all("-a"), Vec::<&str>::new());
    }

    #[test]
    fn aliases() {
        assert!(alias_allowed("dbus.service", "dbus-broker.service"));
        assert!(alias_allowed("a@x.service", "b@.service"));
        assert!(!alias_allowed("a.service", "a.service"));
        assert!(!alias_allowed("a.service", "a.socket"));
        assert!(!alias_allowed("a.mount", "b.mount"));
        assert!(!alias_allowed("a@x.service", "b@y.service"));
        assert!(!alias_allowed("a.service", "b@.service"));
    }

    #[test]
    fn owners() {
        assert_eq!(subdir_owner("foo.service.d"), Some("foo.service"));
        assert_eq!(subdir_owner("service.d"), Some("service"));
        assert_eq!(
            subdir_owner("multi-user.target.wants"),
            Some("multi-user.target")
        );
        assert_eq!(subdir_owner("system.conf.d"), None);
    }
}
