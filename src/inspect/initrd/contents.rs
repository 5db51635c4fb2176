//! What an unpacked initrd amounts to: its tree, who made it, its init, its modules and what loads them.

use super::Generator;
use super::cpio::Entry;
use crate::inspect::source::SourceFile;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kernel's bound on symbolic links in one look-up.
const MAX_LINKS: usize = 40;

/// One name in the unpacked tree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    File(Option<Arc<SourceFile>>),
    Link(String),
    Other,
}

/// The unpacked tree: later archives overwrite earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    nodes: BTreeMap<String, Node>,
}

/// Small files that decide something: what the scripts load by name, what modprobe is told.
pub fn is_kept(path: &str) -> bool {
    let below = |dir: &str| {
        path.split_once(dir)
            .is_some_and(|(_, rest)| !rest.contains('/'))
    };
    path == "conf/modules"
        || path.ends_with("etc/initrd-release")
        || path.ends_with("usr/lib/initrd-release")
        || path.ends_with("/modules.builtin")
        || (path.ends_with(".conf") && (below("modules-load.d/") || below("modprobe.d/")))
}

impl Contents {
    pub(super) fn new(entries: Vec<Entry>) -> Contents {
        let mut nodes = BTreeMap::new();
        for entry in entries {
            let is_file = entry.is_file();
            let node = match (entry.target, entry.content) {
                (Some(target), _) => Node::Link(target),
                (None, Some(bytes)) => Node::File(Some(Arc::new(SourceFile {
                    partition: "initrd".into(),
                    path: format!("/{}", entry.name),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                }))),
                (None, None) if is_file => Node::File(None),
                (None, None) => Node::Other,
            };
            nodes.insert(entry.name, node);
        }
        Contents { nodes }
    }

    /// All names.
    pub fn paths(&self) -> BTreeSet<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Where a path leads when all links are followed; none when it leads nowhere.
    pub fn resolve(&self, path: &str) -> Option<String> {
        let mut pending: Vec<&str> = path.rsplit('/').filter(|n| !n.is_empty()).collect();
        let mut found: Vec<&str> = Vec::new();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            match name {
                "." => continue,
                ".." => {
                    found.pop();
                    continue;
                }
                _ => found.push(name),
            }
            match self.nodes.get(&found.join("/")) {
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    found.pop();
                    if target.starts_with('/') {
                        found.clear();
                    }
                    pending.extend(target.rsplit('/').filter(|n| !n.is_empty()));
                }
                Some(_) => {}
                // A directory without an entry of its own.
                None if self.has_below(&format!("{}/", found.join("/"))) => {}
                None => return None,
            }
        }
        Some(found.join("/"))
    }

    /// A kept file, links followed.
    pub fn text(&self, path: &str) -> Option<Arc<SourceFile>> {
        match self.nodes.get(&self.resolve(path)?) {
            Some(Node::File(text)) => text.clone(),
            _ => None,
        }
    }

    /// The kept files directly in a directory, by name.
    pub fn texts_in(&self, dir: &str) -> Vec<Arc<SourceFile>> {
        let Some(dir) = self.resolve(dir) else {
            return Vec::new();
        };
        let prefix = format!("{dir}/");
        let names = self.nodes.range(prefix.clone()..);
        names
            .take_while(|(path, _)| path.starts_with(&prefix))
            .filter(|(path, _)| !path[prefix.len()..].contains('/'))
            .filter_map(|(path, _)| self.text(path))
            .collect()
    }

    fn has_below(&self, prefix: &str) -> bool {
        let mut names = self.nodes.range(prefix.to_owned()..);
        names
            .next()
            .is_some_and(|(path, _)| path.starts_with(prefix))
    }

    pub(super) fn generator(&self) -> Option<Generator> {
        if self.nodes.is_empty() {
            return None;
        }
        let dracut = ["usr/lib/dracut/", "lib/dracut/", "dracut-state.sh"];
        Some(if dracut.iter().any(|p| self.has_below(p)) {
            Generator::Dracut
        } else if self.has_below("scripts/functions") && self.has_below("conf/") {
            Generator::InitramfsTools
        } else if self.systemd() {
            Generator::Systemd
        } else {
            Generator::Unknown
        })
    }

    /// `/init` is systemd.
    pub(super) fn systemd(&self) -> bool {
        self.resolve("init")
            .is_some_and(|init| init.ends_with("lib/systemd/systemd"))
    }

    /// A udev daemon, under any of its names.
    pub(super) fn udev(&self) -> bool {
        [
            "usr/lib/systemd/systemd-udevd",
            "lib/systemd/systemd-udevd",
            "usr/bin/udevadm",
            "bin/udevadm",
            "sbin/udevd",
        ]
        .iter()
        .any(|path| self.resolve(path).is_some())
    }

    /// Module names with their paths.
    pub(super) fn modules(&self) -> BTreeMap<String, String> {
        let found = self.nodes.iter().filter_map(|(path, node)| {
            let in_tree = module_tree(path).is_some();
            let name = crate::inspect::modules::name_of_path(path)?;
            (in_tree && matches!(node, Node::File(_))).then(|| (name, path.clone()))
        });
        found.collect()
    }

    /// Directories directly below `lib/modules`.
    pub(super) fn releases(&self) -> BTreeSet<String> {
        let releases = self.nodes.keys().filter_map(|path| module_tree(path));
        releases.map(str::to_owned).collect()
    }

    /// Modules that scripts or systemd load by name: `conf/modules` of initramfs-tools, `modules-load.d`.
    pub(super) fn loads(&self) -> BTreeSet<String> {
        let mut files: Vec<_> = self.text("conf/modules").into_iter().collect();
        for dir in [
            "etc/modules-load.d",
            "run/modules-load.d",
            "usr/lib/modules-load.d",
        ] {
            files.extend(self.texts_in(dir));
        }
        let lines = files.iter().flat_map(|file| file.text.lines());
        lines
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| !word.starts_with(['#', ';']))
            .map(|word| word.replace('-', "_"))
            .collect()
    }
}

/// The release of a path below `lib/modules`.
fn module_tree(path: &str) -> Option<&str> {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let release = path.strip_prefix("lib/modules/")?.split('/').next()?;
    (!release.is_empty()).then_some(release)
}
