//! A root file system with others mounted below it, as fstab says: one tree, as the booted system sees it.
//!
//! Places are told by the path in that tree and the partition of the root; [`Mounted::within`] gives the partition's own.

use super::{DirEntry, DiskRange, FileKind, FileSystem, Metadata, OpenFile};
use crate::inspect::error::{Error, Result};
use crate::inspect::source::Location;
use std::sync::Arc;

/// The kernel follows at most this many symbolic links in one look-up (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The root and what is mounted below it.
pub struct Mounted {
    root: Arc<dyn FileSystem>,
    /// Mount points without trailing slash, longest first.
    mounts: Vec<(String, Arc<dyn FileSystem>)>,
}

impl Mounted {
    /// Mounts file systems at absolute paths of the tree.
    pub fn new(
        root: Arc<dyn FileSystem>,
        mut mounts: Vec<(String, Arc<dyn FileSystem>)>,
    ) -> Mounted {
        mounts.sort_by_key(|(point, _)| std::cmp::Reverse(point.len()));
        Mounted { root, mounts }
    }

    /// The file system that holds a path without links, and the path in it.
    pub fn within<'a>(&'a self, path: &'a str) -> (&'a dyn FileSystem, &'a str) {
        for (point, fs) in &self.mounts {
            match path.strip_prefix(point.as_str()) {
                Some("") => return (fs.as_ref(), "/"),
                Some(rest) if rest.starts_with('/') => return (fs.as_ref(), rest),
                _ => {}
            }
        }
        (self.root.as_ref(), path)
    }

    fn is_mount_point(&self, path: &str) -> bool {
        self.mounts.iter().any(|(point, _)| point == path)
    }

    /// Resolves the links of a path, which may lead from one file system into another.
    fn resolve(&self, path: &str, follow: bool) -> Result<String> {
        let names = |path: &str| -> Vec<String> {
            let names = path.split('/').rev();
            names
                .filter(|n| !n.is_empty() && *n != ".")
                .map(str::to_owned)
                .collect()
        };
        let mut pending = names(path);
        let mut done = String::new();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let here = format!("{done}/{name}");
            let (fs, inner) = self.within(&here);
            if self.is_mount_point(&here)
                || fs.symlink_metadata(inner)?.kind != FileKind::Symlink
                || (!follow && pending.is_empty())
            {
                done = here;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                let place = Location::file(self.partition(), path);
                return Err(Error::limit(place, "too many levels of symbolic links"));
            }
            let target = fs.read_link(inner)?;
            if target.starts_with('/') {
                done.clear();
            }
            pending.extend(names(&target));
        }
        Ok(if done.is_empty() { "/".into() } else { done })
    }
}

impl FileSystem for Mounted {
    fn type_name(&self) -> &'static str {
        self.root.type_name()
    }
    fn variant(&self) -> &'static str {
        self.root.variant()
    }
    fn partition(&self) -> &str {
        self.root.partition()
    }
    fn metadata(&self, path: &str) -> Result<Metadata> {
        let path = self.resolve(path, true)?;
        let (fs, inner) = self.within(&path);
        fs.metadata(inner)
    }
    fn symlink_metadata(&self, path: &str) -> Result<Metadata> {
        let path = self.resolve(path, false)?;
        let (fs, inner) = self.within(&path);
        fs.symlink_metadata(inner)
    }
    fn read_link(&self, path: &str) -> Result<String> {
        let path = self.resolve(path, false)?;
        let (fs, inner) = self.within(&path);
        fs.read_link(inner)
    }
    fn canonicalize(&self, path: &str) -> Result<String> {
        self.resolve(path, true)
    }
    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>> {
        let path = self.resolve(path, true)?;
        let (fs, inner) = self.within(&path);
        fs.read(inner, cap)
    }
    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let path = self.resolve(path, true)?;
        let (fs, inner) = self.within(&path);
        fs.read_at(inner, offset, len)
    }
    fn open_file<'a>(&'a self, path: &str) -> Result<Box<dyn OpenFile + 'a>> {
        let path = self.resolve(path, true)?;
        let found = self.mounts.iter().find_map(|(point, fs)| {
            let rest = path.strip_prefix(point.as_str())?;
            rest.starts_with('/').then_some((fs, rest))
        });
        match found {
            Some((fs, inner)) => fs.open_file(inner),
            None => self.root.open_file(&path),
        }
    }
    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>> {
        let path = self.resolve(path, true)?;
        let (fs, inner) = self.within(&path);
        fs.read_dir(inner)
    }
    fn disk_ranges(&self, visit: &mut dyn FnMut(&str, DiskRange)) -> Result<()> {
        self.root.disk_ranges(visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_from_one_file_system_into_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let (root, usr) = (dir.path().join("root"), dir.path().join("usr"));
        for d in [
            root.join("usr"),
            root.join("etc"),
            usr.join("lib"),
            usr.join("share"),
        ] {
            fs::create_dir_all(d).unwrap();
        }
        fs::write(root.join("etc/a"), "on root").unwrap();
        fs::write(usr.join("lib/b"), "on usr").unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/etc/a", usr.join("share/a")).unwrap();
        symlink("../../usr/lib/../share", usr.join("lib/up")).unwrap();
        let tree = Mounted::new(
            Arc::new(DirectoryFs::new(root, "p2")),
            vec![("/usr".into(), Arc::new(DirectoryFs::new(usr, "p3")))],
        );
        assert_eq!(tree.read("/lib/b", 99).unwrap(), b"on usr");
        assert_eq!(tree.read("/usr/share/a", 99).unwrap(), b"on root");
        assert_eq!(tree.canonicalize("/lib/up/a").unwrap(), "/etc/a");
        assert_eq!(tree.canonicalize("/lib/b").unwrap(), "/usr/lib/b");
        assert_eq!(tree.within("/usr/lib/b").0.partition(), "p3");
        assert_eq!(tree.within("/usrx").0.partition(), "p2");
        assert_eq!(tree.read_dir("/usr").unwrap().len(), 2);
        assert_eq!(tree.open_file("/lib/b").unwrap().size(), 6);
        assert!(!tree.exists("/lib/c") && tree.exists("/") && tree.exists("/usr"));
    }
}
