//! The root file system as PID 1 sees it when it loads units: the image, and above it what generators and first-boot presets
//! would have written. Directory listings and files are read once.

use crate::inspect::error::{Error, Result};
use crate::inspect::filesystem::{CONFIG_CAP, DirEntry, FileKind, FileSystem};
use crate::inspect::source::{Origin, SourceFile};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// Links followed before giving up (`ELOOP`).
const LINKS_MAX: usize = 40;
/// Bytes of unit files read in all; a bound against images full of huge files.
const BYTES_MAX: u64 = 64 << 20;

/// Who would have written a file that the image does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// `getty-generator`, …; `preset` for first-boot presets.
    pub name: &'static str,
    /// In words: `kernel console ttyS0`.
    pub why: String,
    /// The line it comes from.
    pub origin: Option<Origin>,
}

#[derive(Debug, Clone)]
enum Node {
    File(Arc<SourceFile>),
    Link(String),
}

/// Files that are not in the image but will exist.
#[derive(Debug, Default)]
pub struct Overlay {
    dirs: BTreeMap<String, BTreeMap<String, (Node, Maker)>>,
}

impl Overlay {
    /// Adds a file; an existing one is kept (generators open with `O_EXCL`).
    pub fn file(&mut self, partition: &str, path: &str, text: String, maker: Maker) {
        let source = SourceFile {
            partition: partition.to_owned(),
            path: path.to_owned(),
            text,
        };
        self.add(path, Node::File(Arc::new(source)), maker);
    }
    /// Adds a symbolic link; an existing one is kept.
    pub fn link(&mut self, path: &str, target: &str, maker: Maker) {
        self.add(path, Node::Link(target.to_owned()), maker);
    }
    fn add(&mut self, path: &str, node: Node, maker: Maker) {
        let (dir, name) = split(path);
        // Directories above appear too, so that listings show them.
        self.dirs
            .entry(dir.to_owned())
            .or_default()
            .entry(name.to_owned())
            .or_insert((node, maker));
    }
    fn get(&self, path: &str) -> Option<&(Node, Maker)> {
        let (dir, name) = split(path);
        self.dirs.get(dir)?.get(name)
    }
    /// Names of directories directly below `dir`.
    fn subdirectories<'a>(&'a self, dir: &'a str) -> impl Iterator<Item = &'a str> {
        self.dirs.keys().filter_map(move |path| {
            let name = path.strip_prefix(dir)?.strip_prefix('/')?;
            (!name.is_empty() && !name.contains('/')).then_some(name)
        })
    }
}

/// What a path leads to, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A regular file with content.
    File,
    /// An empty file or a device: what systemd takes for a mask.
    Null,
    /// A directory.
    Directory,
    /// Nothing, or a link loop.
    Missing,
}

/// The tree with its caches.
pub struct Tree<'a> {
    fs: &'a dyn FileSystem,
    overlay: Overlay,
    listings: RefCell<HashMap<String, Option<Rc<Vec<DirEntry>>>>>,
    canonical: RefCell<HashMap<String, Option<String>>>,
    links: RefCell<HashMap<String, Option<String>>>,
    files: RefCell<HashMap<String, Result<Arc<SourceFile>>>>,
    bytes: RefCell<u64>,
}

/// Directory and last component of an absolute path.
pub fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((dir, name)) => (dir, name),
        None => ("/", path),
    }
}

/// A name in a directory.
pub fn join(dir: &str, name: &str) -> String {
    if name.starts_with('/') {
        name.to_owned()
    } else {
        format!("{}/{name}", dir.trim_end_matches('/'))
    }
}

/// Removes `.` and `..` by text alone.
fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Devices that a unit or drop-in may be linked to; the image's `/dev` itself is usually empty.
fn is_null_device(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|name| {
        matches!(
            name,
            "null" | "zero" | "full" | "random" | "urandom" | "tty" | "console"
        )
    })
}

impl<'a> Tree<'a> {
    /// The image's root with nothing above.
    pub fn new(fs: &'a dyn FileSystem) -> Self {
        Tree {
            fs,
            overlay: Overlay::default(),
            listings: RefCell::default(),
            canonical: RefCell::default(),
            links: RefCell::default(),
            files: RefCell::default(),
            bytes: RefCell::default(),
        }
    }
    /// The file system below.
    pub fn fs(&self) -> &'a dyn FileSystem {
        self.fs
    }
    /// Puts further files above the image. Listings of the directories that they appear in are forgotten.
    pub fn extend(&mut self, overlay: Overlay) {
        for (dir, nodes) in overlay.dirs {
            let mut above = dir.as_str();
            while above != "/" {
                self.listings.get_mut().remove(above);
                self.canonical.get_mut().remove(above);
                above = split(above).0;
            }
            let below = self.overlay.dirs.entry(dir).or_default();
            for (name, node) in nodes {
                below.entry(name).or_insert(node);
            }
        }
    }
    /// Who made a file that is not in the image.
    pub fn maker(&self, path: &str) -> Option<&Maker> {
        self.overlay.get(path).map(|(_, maker)| maker)
    }

    /// A directory with all links resolved; `None` when it does not exist.
    pub fn canonical_dir(&self, dir: &str) -> Option<String> {
        if let Some(known) = self.canonical.borrow().get(dir) {
            return known.clone();
        }
        let overlaid = self.overlay.dirs.contains_key(dir)
            || self.overlay.subdirectories(dir).next().is_some();
        let found = match self.fs.canonicalize(dir) {
            Ok(path) => Some(path),
            Err(_) if overlaid => Some(dir.to_owned()),
            Err(_) => None,
        };
        self.canonical
            .borrow_mut()
            .insert(dir.to_owned(), found.clone());
        found
    }

    /// Entries of a directory given by its canonical path, sorted; `None` when it is no directory.
    pub fn list(&self, dir: &str) -> Option<Rc<Vec<DirEntry>>> {
        if let Some(known) = self.listings.borrow().get(dir) {
            return known.clone();
        }
        let below = self.fs.read_dir(dir).ok();
        let nodes = self.overlay.dirs.get(dir);
        let mut names: BTreeMap<String, FileKind> = BTreeMap::new();
        for name in self.overlay.subdirectories(dir) {
            names.insert(name.to_owned(), FileKind::Directory);
        }
        let found = if below.is_none() && nodes.is_none() && names.is_empty() {
            None
        } else {
            let mut entries = below.unwrap_or_default();
            for (name, (node, _)) in nodes.into_iter().flatten() {
                let kind = match node {
                    Node::File(_) => FileKind::Regular,
                    Node::Link(_) => FileKind::Symlink,
                };
                names.insert(name.clone(), kind);
            }
            if !names.is_empty() {
                entries.retain(|e| !names.contains_key(&e.name));
                entries.extend(
                    names
                        .into_iter()
                        .map(|(name, kind)| DirEntry { name, kind }),
                );
            }
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            Some(Rc::new(entries))
        };
        self.listings
            .borrow_mut()
            .insert(dir.to_owned(), found.clone());
        found
    }

    /// Type of an entry itself, its directory's links followed.
    pub fn entry(&self, path: &str) -> Option<FileKind> {
        let (dir, name) = split(path);
        let entries = self.list(&self.canonical_dir(dir)?)?;
        let index = entries
            .binary_search_by(|e| e.name.as_str().cmp(name))
            .ok()?;
        Some(entries[index].kind)
    }

    /// Target text of a symbolic link.
    pub fn link(&self, path: &str) -> Option<String> {
        match self.overlay.get(path) {
            Some((Node::Link(target), _)) => return Some(target.clone()),
            Some(_) => return None,
            None => {}
        }
        if let Some(known) = self.links.borrow().get(path) {
            return known.clone();
        }
        let target = self.fs.read_link(path).ok();
        self.links
            .borrow_mut()
            .insert(path.to_owned(), target.clone());
        target
    }

    /// Where a symbolic link points: the directory resolved, the last component not followed.
    pub fn link_destination(&self, path: &str) -> Option<String> {
        let (dir, _) = split(path);
        let dir = self.canonical_dir(dir)?;
        let target = normalize(&join(&dir, &self.link(path)?));
        let (dir, name) = split(&target);
        Some(match self.canonical_dir(dir) {
            Some(dir) => join(&dir, name),
            None => target,
        })
    }

    /// Follows all links; the final path and what it is.
    pub fn resolve(&self, path: &str) -> (String, Found) {
        let mut path = normalize(path);
        for _ in 0..LINKS_MAX {
            if is_null_device(&path) {
                return (path, Found::Null);
            }
            let found = match self.entry(&path) {
                None => Found::Missing,
                Some(FileKind::Directory) => Found::Directory,
                Some(FileKind::Special) => Found::Null,
                Some(FileKind::Regular) => match self.is_empty(&path) {
                    true => Found::Null,
                    false => Found::File,
                },
                Some(FileKind::Symlink) => match self.link_destination(&path) {
                    Some(next) => {
                        path = next;
                        continue;
                    }
                    None => Found::Missing,
                },
            };
            return (path, found);
        }
        (path, Found::Missing)
    }

    fn is_empty(&self, path: &str) -> bool {
        if let Some((Node::File(source), _)) = self.overlay.get(path) {
            return source.text.is_empty();
        }
        // Units and drop-ins are read anyway, which saves a look-up of their size.
        if super::name::kind(split(path).1).is_some() || path.ends_with(".conf") {
            return self.read(path).is_ok_and(|source| source.text.is_empty());
        }
        self.fs.symlink_metadata(path).is_ok_and(|m| m.size == 0)
    }

    /// A small text file; links are followed by the file system.
    pub fn read(&self, path: &str) -> Result<Arc<SourceFile>> {
        if let Some((Node::File(source), _)) = self.overlay.get(path) {
            return Ok(Arc::clone(source));
        }
        if let Some(known) = self.files.borrow().get(path) {
            return known.clone();
        }
        let mut bytes = self.bytes.borrow_mut();
        let source = if *bytes > BYTES_MAX {
            let place = crate::inspect::source::Location::file(self.fs.partition(), path);
            Err(Error::limit(place, "unit files are too large in all"))
        } else {
            self.fs.read_source(path, CONFIG_CAP)
        };
        if let Ok(source) = &source {
            *bytes += source.text.len() as u64;
        }
        self.files
            .borrow_mut()
            .insert(path.to_owned(), source.clone());
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(split("/a/b"), ("/a", "b"));
        assert_eq!(split("/a"), ("/", "a"));
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("/x", "/a"), "/a");
        assert_eq!(normalize("/a/./b//../c"), "/a/c");
        assert_eq!(normalize("/../.."), "/");
    }
}
