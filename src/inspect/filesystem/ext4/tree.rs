//! Paths and directories of ext4, and the places of all files on the disk.

use super::inode::{Inode, Volume};
use super::superblock::Superblock;
use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, Result};
use crate::inspect::filesystem::{DirEntry, DiskRange, FileKind, FileSystem, Metadata};
use crate::inspect::source::Location;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The kernel follows at most this many symbolic links in one look-up (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;
/// Directories larger than this are refused; a million names fit.
const MAX_DIRECTORY: u64 = 64 << 20;
/// Names kept over all cached directories.
const MAX_CACHED: usize = 1 << 20;
const ROOT: u32 = 2;

type Directory = Arc<HashMap<String, u32>>;

/// An ext2/3/4 file system.
pub struct Ext4Fs {
    disk: Arc<dyn Disk>,
    partition: String,
    start: u64,
    sb: Superblock,
    cache: Mutex<(HashMap<u32, Directory>, usize)>,
}

impl Ext4Fs {
    /// Takes a file system whose superblock was read, and checks that its root directory is there.
    pub fn open(
        disk: Arc<dyn Disk>,
        partition: &str,
        start: u64,
        sb: Superblock,
    ) -> Result<Ext4Fs> {
        let fs = Ext4Fs {
            disk,
            partition: partition.to_owned(),
            start,
            sb,
            cache: Mutex::default(),
        };
        let root = fs.volume().inode(ROOT)?;
        if root.kind() != FileKind::Directory {
            return Err(Error::corrupt(
                Location::file(partition, "/"),
                "ext4: the root inode is not a directory",
            ));
        }
        fs.directory(&root)?;
        Ok(fs)
    }

    fn volume(&self) -> Volume<'_> {
        Volume {
            disk: self.disk.as_ref(),
            sb: &self.sb,
            partition: &self.partition,
        }
    }

    fn place(&self, path: &str) -> Location {
        Location::file(&self.partition, path)
    }

    /// Names and inode numbers of a directory.
    fn directory(&self, inode: &Inode) -> Result<Directory> {
        if let Some(found) = self
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .get(&inode.number)
        {
            return Ok(Arc::clone(found));
        }
        if inode.size > MAX_DIRECTORY {
            return Err(Error::limit(
                Location::partition(&self.partition),
                format!(
                    "ext4: directory inode {} has {} bytes",
                    inode.number, inode.size
                ),
            ));
        }
        let bytes = self.volume().read(inode, 0, inode.size as usize)?;
        let directory: Directory =
            Arc::new(self.entries(&bytes, inode.number)?.into_iter().collect());
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.1 + directory.len() > MAX_CACHED {
            *cache = Default::default();
        }
        cache.1 += directory.len();
        cache.0.insert(inode.number, Arc::clone(&directory));
        Ok(directory)
    }

    /// Linear directory blocks. Nodes of a hashed directory look like one unused entry and are passed over.
    fn entries(&self, bytes: &[u8], number: u32) -> Result<Vec<(String, u32)>> {
        let mut found = Vec::new();
        for block in bytes.chunks(self.sb.block_size as usize) {
            let mut at = 0;
            while at + 8 <= block.len() {
                let inode =
                    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
                let length = usize::from(u16::from_le_bytes([block[at + 4], block[at + 5]]));
                // 64 KiB blocks spell "to the end" as 0 or 65535.
                let length = if matches!(length, 0 | 0xffff) && block.len() == 65536 {
                    block.len() - at
                } else {
                    length
                };
                let name = usize::from(block[at + 6]);
                if length < 8 || at + length > block.len() || 8 + name > length {
                    return Err(Error::corrupt(
                        Location::partition(&self.partition),
                        format!("ext4: directory inode {number} has a damaged entry"),
                    ));
                }
                let name = &block[at + 8..at + 8 + name];
                if inode != 0 && !name.is_empty() {
                    found.push((String::from_utf8_lossy(name).into_owned(), inode));
                }
                at += length;
            }
        }
        Ok(found)
    }

    /// Resolves a path to its canonical form and inode. `follow` also resolves a link in the last component.
    fn resolve(&self, path: &str, follow: bool) -> Result<(String, Inode)> {
        let volume = self.volume();
        let mut pending: Vec<String> = path
            .split('/')
            .rev()
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect();
        let mut stack: Vec<(String, u32)> = Vec::new();
        let mut links = 0;
        let mut current = volume.inode(ROOT)?;
        while let Some(name) = pending.pop() {
            match name.as_str() {
                "." => continue,
                ".." => {
                    stack.pop();
                    current = volume.inode(stack.last().map_or(ROOT, |(_, n)| *n))?;
                    continue;
                }
                _ => {}
            }
            if current.kind() != FileKind::Directory {
                return Err(Error::not_found(self.place(path)));
            }
            let Some(&number) = self.directory(&current)?.get(&name) else {
                return Err(Error::not_found(self.place(path)));
            };
            let inode = volume.inode(number)?;
            if inode.kind() == FileKind::Symlink && (follow || !pending.is_empty()) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::limit(
                        self.place(path),
                        "too many levels of symbolic links",
                    ));
                }
                let target = volume.link_target(&inode)?;
                if target.starts_with('/') {
                    stack.clear();
                }
                current = volume.inode(stack.last().map_or(ROOT, |(_, n)| *n))?;
                pending.extend(
                    target
                        .split('/')
                        .rev()
                        .filter(|c| !c.is_empty())
                        .map(str::to_owned),
                );
                continue;
            }
            stack.push((name, number));
            current = inode;
        }
        let canonical = stack
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join("/");
        Ok((format!("/{canonical}"), current))
    }
}

fn metadata_of(inode: &Inode) -> Metadata {
    Metadata {
        kind: inode.kind(),
        mode: inode.mode & 0o7777,
        size: inode.size,
        uid: inode.uid,
    }
}

impl FileSystem for Ext4Fs {
    fn type_name(&self) -> &'static str {
        "ext4"
    }

    fn features(&self) -> Vec<String> {
        self.sb.feature_names()
    }

    fn partition(&self) -> &str {
        &self.partition
    }

    fn metadata(&self, path: &str) -> Result<Metadata> {
        Ok(metadata_of(&self.resolve(path, true)?.1))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata> {
        Ok(metadata_of(&self.resolve(path, false)?.1))
    }

    fn read_link(&self, path: &str) -> Result<String> {
        let (_, inode) = self.resolve(path, false)?;
        if inode.kind() != FileKind::Symlink {
            return Err(Error::unsupported(
                self.place(path),
                "is not a symbolic link",
            ));
        }
        self.volume().link_target(&inode)
    }

    fn canonicalize(&self, path: &str) -> Result<String> {
        Ok(self.resolve(path, true)?.0)
    }

    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>> {
        let (_, inode) = self.resolve(path, true)?;
        if inode.kind() != FileKind::Regular {
            return Err(Error::unsupported(
                self.place(path),
                "is not a regular file",
            ));
        }
        if inode.size > cap {
            return Err(Error::limit(
                self.place(path),
                format!("{} bytes, more than the {cap} that are read", inode.size),
            ));
        }
        self.volume().read(&inode, 0, inode.size as usize)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let (_, inode) = self.resolve(path, true)?;
        if inode.kind() != FileKind::Regular {
            return Err(Error::unsupported(
                self.place(path),
                "is not a regular file",
            ));
        }
        self.volume().read(&inode, offset, len)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>> {
        let (_, inode) = self.resolve(path, true)?;
        if inode.kind() != FileKind::Directory {
            return Err(Error::not_found(self.place(path)));
        }
        let volume = self.volume();
        let mut entries = Vec::new();
        for (name, number) in self
            .directory(&inode)?
            .iter()
            .filter(|(name, _)| *name != "." && *name != "..")
        {
            entries.push(DirEntry {
                name: name.clone(),
                kind: volume.inode(*number)?.kind(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn disk_ranges(&self, visit: &mut dyn FnMut(&str, DiskRange)) -> Result<()> {
        let volume = self.volume();
        let groups = self.sb.inodes.div_ceil(self.sb.inodes_per_group);
        let table = u64::from(self.sb.inodes_per_group) * u64::from(self.sb.inode_size);
        for group in 0..groups {
            let start = self.start + volume.inode_table(group)?;
            visit(
                "<inode table>",
                DiskRange {
                    start,
                    len: table,
                    file_offset: u64::from(group) * table,
                },
            );
        }
        let mut pending = vec![(String::new(), ROOT)];
        let mut seen = HashSet::from([ROOT]);
        while let Some((path, number)) = pending.pop() {
            let directory = volume.inode(number)?;
            self.visit(&format!("<directory {path}/>"), &directory, visit);
            for (name, child) in self
                .directory(&directory)?
                .iter()
                .filter(|(name, _)| *name != "." && *name != "..")
            {
                let inode = volume.inode(*child)?;
                let path = format!("{path}/{name}");
                match inode.kind() {
                    // A directory met twice is a loop in a damaged tree.
                    FileKind::Directory if seen.insert(*child) => pending.push((path, *child)),
                    FileKind::Regular => self.visit(&path, &inode, visit),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Ext4Fs {
    fn visit(&self, name: &str, inode: &Inode, visit: &mut dyn FnMut(&str, DiskRange)) {
        // A file whose map is damaged has no place that could be named.
        for run in self.volume().runs(inode).unwrap_or_default() {
            if let Some(physical) = run.physical {
                let block = self.sb.block_size;
                visit(
                    name,
                    DiskRange {
                        start: self.start + physical * block,
                        len: run.count * block,
                        file_offset: run.logical * block,
                    },
                );
            }
        }
    }
}
