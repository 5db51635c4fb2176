//! `/lib/modules/<release>`: files, indexes, and the look-ups that kmod makes in them.

use super::index::Index;
use super::name_of_path;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::filesystem::{FileKind, FileSystem};
use crate::inspect::source::Location;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The largest index of a Debian kernel has 1.3 MB.
const INDEX_CAP: u64 = 64 << 20;
/// Directories below one another in `kernel/`.
const MAX_DEPTH: usize = 32;
/// Files below one release.
const MAX_FILES: usize = 100_000;

/// The modules of one kernel.
#[derive(Debug)]
pub struct Tree {
    /// Directory with links resolved: `/usr/lib/modules/6.1.0-38-amd64`.
    pub path: String,
    /// `.ko*` files, relative to the directory.
    pub files: BTreeSet<String>,
    /// Module name → its line in the dependency index: `path: dependencies`.
    pub dependencies: BTreeMap<String, String>,
    /// Built-in modules.
    pub builtin: BTreeSet<String>,
    /// What is wrong with the indexes.
    pub problems: Vec<Error>,
    aliases: Option<Index>,
    builtin_aliases: Option<Index>,
}

impl Tree {
    /// Reads the directory of a release.
    pub fn read(fs: &dyn FileSystem, path: &str) -> Result<Tree> {
        let path = fs.canonicalize(path)?;
        let mut tree = Tree {
            path: path.clone(),
            files: BTreeSet::new(),
            dependencies: BTreeMap::new(),
            builtin: BTreeSet::new(),
            problems: Vec::new(),
            aliases: None,
            builtin_aliases: None,
        };
        let (files, ()) = rayon::join(|| walk(fs, &path), || tree.read_indexes(fs));
        tree.files = files?;
        tree.compare_with_files(fs.partition());
        Ok(tree)
    }

    fn place(&self, fs: &dyn FileSystem, name: &str) -> Location {
        Location::file(fs.partition(), format!("{}/{name}", self.path))
    }

    /// A `.bin` file. That it is not there is a problem only where kmod cannot do without.
    fn index(&mut self, fs: &dyn FileSystem, name: &str, needed: bool) -> Option<Index> {
        let place = self.place(fs, name);
        match fs.read(&format!("{}/{name}", self.path), INDEX_CAP) {
            Ok(bytes) => match Index::new(bytes) {
                Ok(index) => Some(index),
                Err(message) => {
                    self.problems.push(Error::corrupt(place, message));
                    None
                }
            },
            Err(error) if error.kind == ErrorKind::NotFound && !needed => None,
            Err(error) => {
                self.problems.push(Error {
                    location: place,
                    ..error
                });
                None
            }
        }
    }

    fn text(&self, fs: &dyn FileSystem, name: &str) -> Option<String> {
        let bytes = fs.read(&format!("{}/{name}", self.path), INDEX_CAP).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read_indexes(&mut self, fs: &dyn FileSystem) {
        let dependencies = self.index(fs, "modules.dep.bin", true);
        self.dependencies = dependencies.map(|i| i.all()).unwrap_or_default();
        self.aliases = self.index(fs, "modules.alias.bin", true);
        let builtin = self.index(fs, "modules.builtin.bin", false);
        self.builtin = match builtin {
            Some(index) => index.all().into_keys().collect(),
            // Only old depmods left the text alone; kmod then sees no built-in modules, and the kernel has them.
            None => self
                .text(fs, "modules.builtin")
                .map(|text| text.lines().filter_map(name_of_path).collect())
                .unwrap_or_default(),
        };
        self.builtin_aliases = self.index(fs, "modules.builtin.alias.bin", false);
        if let Some(text) = self.text(fs, "modules.dep") {
            self.compare_with_text(&text, self.place(fs, "modules.dep.bin"));
        }
    }

    /// The text and its binary twin are written by one run of depmod.
    fn compare_with_text(&mut self, text: &str, place: Location) {
        let lines = text.lines().filter_map(|line| {
            let (path, _) = line.split_once(':')?;
            Some((name_of_path(path)?, line))
        });
        let lines: BTreeMap<String, &str> = lines.collect();
        let differs = |name: &&String| {
            let here = lines.get(*name).map(|line| line.trim_end());
            here != self.dependencies.get(*name).map(|line| line.trim_end())
        };
        let names: BTreeSet<&String> = lines.keys().chain(self.dependencies.keys()).collect();
        let different: Vec<&String> = names.into_iter().filter(differs).collect();
        if let Some(first) = different.first()
            && !self.dependencies.is_empty()
        {
            let message = format!(
                "does not agree with modules.dep on {} modules ({first} is one): depmod wrote only one of them",
                different.len()
            );
            self.problems.push(Error::corrupt(place, message));
        }
    }

    /// depmod runs after the files are in place, or its indexes are stale.
    fn compare_with_files(&mut self, partition: &str) {
        if self.dependencies.is_empty() {
            return;
        }
        let listed: BTreeSet<&str> = self
            .dependencies
            .values()
            .filter_map(|l| path_of(l))
            .collect();
        let unlisted: Vec<&String> = self
            .files
            .iter()
            .filter(|f| !listed.contains(f.as_str()))
            .collect();
        let gone: Vec<&&str> = listed.iter().filter(|p| !self.has_file(p)).collect();
        let mut told = Vec::new();
        if let Some(first) = unlisted.first() {
            told.push(format!(
                "does not list {} module files ({first} is one)",
                unlisted.len()
            ));
        }
        if let Some(first) = gone.first() {
            told.push(format!(
                "lists {} module files that are not there ({first} is one)",
                gone.len()
            ));
        }
        let place = Location::file(partition, format!("{}/modules.dep.bin", self.path));
        let found = told.into_iter();
        self.problems
            .extend(found.map(|message| Error::corrupt(place.clone(), message)));
    }

    /// Whether a file of the index is there. An absolute path leads out of the directory and is taken on trust.
    pub fn has_file(&self, path: &str) -> bool {
        path.starts_with('/') || self.files.contains(path)
    }

    /// The file of a module by the dependency index, relative to the directory.
    pub fn indexed_path(&self, name: &str) -> Option<&str> {
        path_of(self.dependencies.get(name)?)
    }

    /// The file of a module: by the index, else by name.
    pub fn path_of(&self, name: &str) -> Option<&str> {
        let indexed = self.indexed_path(name).filter(|p| self.has_file(p));
        indexed.or_else(|| {
            let mut files = self.files.iter();
            files
                .find(|f| name_of_path(f).as_deref() == Some(name))
                .map(String::as_str)
        })
    }

    /// Files that a module depends on, in the order in which they are loaded.
    pub fn dependencies_of(&self, name: &str) -> Vec<&str> {
        let line = self.dependencies.get(name).and_then(|l| l.split_once(':'));
        let mut paths: Vec<&str> = line
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        paths.reverse();
        paths
    }

    /// Modules that the alias index gives for a name.
    pub fn by_alias(&self, alias: &str) -> Vec<String> {
        let index = self.aliases.as_ref();
        index.map(|i| i.search_patterns(alias)).unwrap_or_default()
    }

    /// Built-in modules that have this alias.
    pub fn by_builtin_alias(&self, alias: &str) -> Vec<String> {
        let index = self.builtin_aliases.as_ref();
        index.map(|i| i.search_patterns(alias)).unwrap_or_default()
    }
}

/// The path in a line of the dependency index.
fn path_of(line: &str) -> Option<&str> {
    line.split_once(':').map(|(path, _)| path)
}

/// All module files below a directory.
fn walk(fs: &dyn FileSystem, root: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut level = vec![String::new()];
    for _ in 0..MAX_DEPTH {
        if level.is_empty() || found.len() > MAX_FILES {
            break;
        }
        let read: Vec<_> = level
            .par_iter()
            .map(|dir| Ok((dir, fs.read_dir(&format!("{root}/{dir}"))?)))
            .collect::<Result<_>>()?;
        let mut below = Vec::new();
        for (dir, entries) in read {
            for entry in entries {
                let path = if dir.is_empty() {
                    entry.name
                } else {
                    format!("{dir}/{}", entry.name)
                };
                match entry.kind {
                    FileKind::Directory => below.push(path),
                    _ if name_of_path(&path).is_some() => {
                        found.insert(path);
                    }
                    _ => {}
                }
            }
        }
        level = below;
    }
    Ok(found)
}
