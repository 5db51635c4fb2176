//! A directory of the host as a file system: an unpacked root file system. Links never lead out of it.

use super::{DirEntry, DiskRange, FileKind, FileSystem, Metadata};
use crate::inspect::error::{Error, Result};
use crate::inspect::source::Location;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The kernel follows at most this many symbolic links in one look-up (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// A root directory on the host.
pub struct DirectoryFs {
    root: PathBuf,
    partition: String,
}

impl DirectoryFs {
    /// Takes `root` as `/`.
    pub fn new(root: impl Into<PathBuf>, partition: &str) -> DirectoryFs {
        DirectoryFs {
            root: root.into(),
            partition: partition.to_owned(),
        }
    }

    fn place(&self, path: &str) -> Location {
        Location::file(&self.partition, path)
    }

    fn error(&self, path: &str, e: &std::io::Error) -> Error {
        match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Error::not_found(self.place(path))
            }
            _ => Error::io(self.place(path), e),
        }
    }

    fn host(&self, canonical: &str) -> PathBuf {
        self.root.join(canonical.trim_start_matches('/'))
    }

    /// Resolves links by hand, so that an absolute link stays below the root.
    fn resolve(&self, path: &str, follow: bool) -> Result<String> {
        let mut pending: Vec<String> = path
            .split('/')
            .rev()
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect();
        let mut stack: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            match name.as_str() {
                "." => continue,
                ".." => {
                    stack.pop();
                    continue;
                }
                _ => {}
            }
            let here = format!("/{}/{name}", stack.join("/"));
            let found = fs::symlink_metadata(self.host(&here)).map_err(|e| self.error(path, &e))?;
            if found.is_symlink() && (follow || !pending.is_empty()) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::limit(
                        self.place(path),
                        "too many levels of symbolic links",
                    ));
                }
                let target = fs::read_link(self.host(&here)).map_err(|e| self.error(path, &e))?;
                let target = target.to_string_lossy();
                if target.starts_with('/') {
                    stack.clear();
                }
                pending.extend(
                    target
                        .split('/')
                        .rev()
                        .filter(|c| !c.is_empty())
                        .map(str::to_owned),
                );
                continue;
            }
            stack.push(name);
        }
        Ok(format!("/{}", stack.join("/")))
    }

    fn stat(&self, path: &str, follow: bool) -> Result<Metadata> {
        let canonical = self.resolve(path, follow)?;
        let m = fs::symlink_metadata(self.host(&canonical)).map_err(|e| self.error(path, &e))?;
        Ok(Metadata {
            kind: kind(&m.file_type()),
            mode: (m.mode() & 0o7777) as u16,
            size: m.size(),
            uid: m.uid(),
        })
    }
}

fn kind(t: &fs::FileType) -> FileKind {
    if t.is_dir() {
        FileKind::Directory
    } else if t.is_file() {
        FileKind::Regular
    } else if t.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Special
    }
}

impl FileSystem for DirectoryFs {
    fn type_name(&self) -> &'static str {
        "directory"
    }
    fn partition(&self) -> &str {
        &self.partition
    }
    fn metadata(&self, path: &str) -> Result<Metadata> {
        self.stat(path, true)
    }
    fn symlink_metadata(&self, path: &str) -> Result<Metadata> {
        self.stat(path, false)
    }
    fn read_link(&self, path: &str) -> Result<String> {
        let canonical = self.resolve(path, false)?;
        let target = fs::read_link(self.host(&canonical)).map_err(|e| self.error(path, &e))?;
        Ok(target.to_string_lossy().into_owned())
    }
    fn canonicalize(&self, path: &str) -> Result<String> {
        self.resolve(path, true)
    }
    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>> {
        let found = self.metadata(path)?;
        if found.size > cap {
            return Err(Error::limit(
                self.place(path),
                format!("{} bytes, more than the {cap} that are read", found.size),
            ));
        }
        self.read_at(path, 0, found.size as usize)
    }
    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        // A FIFO or device of the host must not be opened.
        if self.metadata(path)?.kind != FileKind::Regular {
            return Err(Error::unsupported(
                self.place(path),
                "is not a regular file",
            ));
        }
        let mut file =
            File::open(self.host(&self.resolve(path, true)?)).map_err(|e| self.error(path, &e))?;
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| self.error(path, &e))?;
        let mut out = Vec::new();
        file.take(len as u64)
            .read_to_end(&mut out)
            .map_err(|e| self.error(path, &e))?;
        Ok(out)
    }
    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>> {
        let canonical = self.resolve(path, true)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.host(&canonical)).map_err(|e| self.error(path, &e))? {
            let entry = entry.map_err(|e| self.error(path, &e))?;
            let t = entry.file_type().map_err(|e| self.error(path, &e))?;
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: kind(&t),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
    fn disk_ranges(&self, _: &mut dyn FnMut(&str, DiskRange)) -> Result<()> {
        Err(Error::unsupported(
            Location::partition(&self.partition),
            "a directory has no place on a disk",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
        symlink("/etc/passwd", dir.path().join("a")).unwrap();
        symlink("../../../../etc", dir.path().join("b")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let fs = DirectoryFs::new(dir.path(), "root");
        assert_eq!(fs.read("/a", 100).unwrap(), b"inside");
        assert_eq!(fs.read("/b/passwd", 100).unwrap(), b"inside");
        assert_eq!(fs.canonicalize("/b/passwd").unwrap(), "/etc/passwd");
        assert!(fs.metadata("/loop").is_err());
        assert!(!fs.exists("/missing"));
    }
}
