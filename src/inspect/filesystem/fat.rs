//! FAT12/16/32 through the fatfs crate, behind a reader that bounds its I/O.
//!
//! fatfs follows cluster chains and directories for as long as the image says so; a chain that links to itself would
//! never end. Every operation here gets a budget of bytes, and running out of it is damage of the file system.

pub mod window;

use super::{DirEntry, DiskRange, FileKind, FileSystem, Metadata, OpenFile};
use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::source::Location;
use std::io::Read;
use std::sync::Arc;
use window::Window;

/// More names than this in one directory are damage: FAT directories are at most 2 MiB long.
const MAX_ENTRIES: usize = 65_536;
/// Deeper trees are damage or an attack.
const MAX_DEPTH: usize = 64;

/// A FAT file system in a partition.
pub struct FatFs {
    disk: Arc<dyn Disk>,
    partition: String,
    /// Byte offset of the partition in the image.
    start: u64,
    fat_type: &'static str,
    /// First byte of the data area (cluster 2).
    first_data: u64,
}

/// First byte of the data area, from the BIOS parameter block (FAT specification 1.03, 3.5).
fn first_data(disk: &dyn Disk) -> Result<u64> {
    let boot = disk.read_vec(0, 64)?;
    let short = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    let long = u64::from(u32::from_le_bytes([boot[36], boot[37], boot[38], boot[39]]));
    let fat_sectors = if short(22) != 0 { short(22) } else { long };
    let root = (short(17) * 32).div_ceil(short(11).max(1));
    Ok((short(14) + u64::from(boot[16]) * fat_sectors + root) * short(11))
}

type Volume = fatfs::FileSystem<Window>;

struct Found {
    kind: FileKind,
    size: u64,
    name: String,
}

impl FatFs {
    /// Mounts the file system in `disk`, which starts at byte `start` of the image.
    pub fn open(disk: Arc<dyn Disk>, partition: &str, start: u64) -> Result<FatFs> {
        let mut fs = FatFs {
            disk,
            partition: partition.to_owned(),
            start,
            fat_type: "FAT16",
            first_data: 0,
        };
        fs.first_data = first_data(fs.disk.as_ref())?;
        let volume = fs.volume(&Window::new(&fs.disk))?;
        fs.fat_type = match volume.fat_type() {
            fatfs::FatType::Fat12 => "FAT12",
            fatfs::FatType::Fat16 => "FAT16",
            fatfs::FatType::Fat32 => "FAT32",
        };
        drop(volume);
        fs.read_dir("/")?;
        Ok(fs)
    }

    /// `FAT12`, `FAT16` or `FAT32`.
    pub fn fat_type(&self) -> &'static str {
        self.fat_type
    }

    fn volume(&self, window: &Window) -> Result<Volume> {
        Volume::new(window.clone(), fatfs::FsOptions::new()).map_err(|e| self.error("/", &e))
    }

    fn place(&self, path: &str) -> Location {
        Location::file(&self.partition, path)
    }

    fn error(&self, path: &str, e: &std::io::Error) -> Error {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => return Error::not_found(self.place(path)),
            _ if window::is_host_error(e) => ErrorKind::Io,
            _ => ErrorKind::Corrupt,
        };
        Error::new(kind, self.place(path), format!("FAT: {e}"))
    }

    /// Walks to `path`, names compared without case, and hands the last entry to `then`.
    fn with<T>(
        &self,
        path: &str,
        window: &Window,
        then: impl FnOnce(&Volume, Option<fatfs::DirEntry<'_, Window>>) -> Result<T>,
    ) -> Result<T> {
        let volume = self.volume(window)?;
        let mut names = components(path).peekable();
        if names.peek().is_none() {
            return then(&volume, None);
        }
        let mut dir = volume.root_dir();
        for _ in 0..MAX_DEPTH {
            let Some(name) = names.next() else { break };
            let mut found = None;
            for entry in dir.iter().take(MAX_ENTRIES) {
                let entry = entry.map_err(|e| self.error(path, &e))?;
                if same_name(&entry.file_name(), name) || same_name(&entry.short_file_name(), name)
                {
                    found = Some(entry);
                    break;
                }
            }
            let Some(entry) = found else {
                return Err(Error::not_found(self.place(path)));
            };
            if names.peek().is_none() {
                return then(&volume, Some(entry));
            }
            if !entry.is_dir() {
                return Err(Error::not_found(self.place(path)));
            }
            dir = entry.to_dir();
        }
        Err(Error::limit(self.place(path), "the path is too deep"))
    }

    fn find(&self, path: &str) -> Result<Found> {
        self.with(path, &Window::new(&self.disk), |_, entry| {
            Ok(match entry {
                None => Found {
                    kind: FileKind::Directory,
                    size: 0,
                    name: "/".into(),
                },
                Some(e) if e.is_dir() => Found {
                    kind: FileKind::Directory,
                    size: 0,
                    name: e.file_name(),
                },
                Some(e) => Found {
                    kind: FileKind::Regular,
                    size: e.len(),
                    name: e.file_name(),
                },
            })
        })
    }

    fn open_runs(&self, path: &str) -> Result<FatFile<'_>> {
        let (size, runs) = self.runs(path)?;
        Ok(FatFile {
            disk: self.disk.as_ref(),
            size,
            runs,
        })
    }

    /// The places of a file's content in the file system, in file order, joined where they touch.
    fn runs(&self, path: &str) -> Result<(u64, Vec<(u64, u64)>)> {
        let window = Window::new(&self.disk);
        let size = self.with(path, &window, |_, entry| {
            let Some(entry) = entry.filter(fatfs::DirEntry::is_file) else {
                return Err(Error::unsupported(self.place(path), "is a directory"));
            };
            let size = entry.len();
            if size > self.disk.len() {
                return Err(Error::corrupt(
                    self.place(path),
                    format!(
                        "claims {size} bytes in a file system of {}",
                        self.disk.len()
                    ),
                ));
            }
            // fatfs walks the chain while the window notes where it would have read.
            window.record(self.first_data);
            let mut file = entry.to_file();
            let mut piece = vec![0; 64 << 10];
            let mut seen = 0;
            loop {
                match file.read(&mut piece) {
                    Ok(0) => break,
                    Ok(n) => seen += n as u64,
                    Err(e) => return Err(self.error(path, &e)),
                }
            }
            if seen < size {
                return Err(Error::corrupt(
                    self.place(path),
                    format!("its cluster chain ends after {seen} of {size} bytes"),
                ));
            }
            Ok(size)
        })?;
        let runs = window.recorded();
        if overlap(&runs) {
            let message = "its cluster chain runs in a circle";
            return Err(Error::corrupt(self.place(path), message));
        }
        Ok((size, runs))
    }
}

/// A file that has the same place twice: only a chain that links back to itself does.
fn overlap(runs: &[(u64, u64)]) -> bool {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    sorted
        .windows(2)
        .any(|pair| matches!(pair, [(start, len), (next, _)] if start + len > *next))
}

/// Path components, `.` and empty ones left out. Both separators are taken, as firmware does.
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\'])
        .filter(|c| !c.is_empty() && *c != ".")
}

/// A file whose cluster chain was walked.
struct FatFile<'a> {
    disk: &'a dyn Disk,
    size: u64,
    runs: Vec<(u64, u64)>,
}

impl OpenFile for FatFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_into(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let end = offset.saturating_add(buf.len() as u64).min(self.size);
        let mut at = 0;
        for (start, run) in &self.runs {
            let (from, to) = (at.max(offset), (at + run).min(end));
            if from < to {
                let target = &mut buf[(from - offset) as usize..(to - offset) as usize];
                self.disk.read_exact_at(start + (from - at), target)?;
            }
            at += run;
        }
        Ok(end.saturating_sub(offset) as usize)
    }
}

fn same_name(a: &str, b: &str) -> bool {
    a == b
        || a.chars()
            .flat_map(char::to_uppercase)
            .eq(b.chars().flat_map(char::to_uppercase))
}

impl FileSystem for FatFs {
    fn type_name(&self) -> &'static str {
        "vfat"
    }

    fn variant(&self) -> &'static str {
        self.fat_type
    }

    fn partition(&self) -> &str {
        &self.partition
    }

    fn metadata(&self, path: &str) -> Result<Metadata> {
        let found = self.find(path)?;
        Ok(Metadata {
            kind: found.kind,
            mode: 0o755,
            size: found.size,
            uid: 0,
        })
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata> {
        self.metadata(path)
    }

    fn read_link(&self, path: &str) -> Result<String> {
        Err(Error::unsupported(
            self.place(path),
            "FAT has no symbolic links",
        ))
    }

    /// The path with the names as they are stored.
    fn canonicalize(&self, path: &str) -> Result<String> {
        let mut full = String::new();
        let mut stored = String::new();
        for name in components(path) {
            full = format!("{full}/{name}");
            stored = format!("{stored}/{}", self.find(&full)?.name);
        }
        Ok(if stored.is_empty() {
            "/".into()
        } else {
            stored
        })
    }

    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>> {
        let size = self.find(path)?.size;
        if size > cap {
            return Err(Error::limit(
                self.place(path),
                format!("{size} bytes, more than the {cap} that are read"),
            ));
        }
        self.read_at(path, 0, size as usize)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let file = self.open_runs(path)?;
        let end = offset.saturating_add(len as u64).min(file.size);
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        let read = file.read_into(offset, &mut out)?;
        out.truncate(read);
        Ok(out)
    }

    fn open_file<'a>(&'a self, path: &str) -> Result<Box<dyn OpenFile + 'a>> {
        Ok(Box::new(self.open_runs(path)?))
    }

    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>> {
        let window = Window::new(&self.disk);
        self.with(path, &window, |volume, entry| {
            let dir = match entry {
                None => volume.root_dir(),
                Some(e) if e.is_dir() => e.to_dir(),
                Some(_) => return Err(Error::not_found(self.place(path))),
            };
            let mut entries = Vec::new();
            for entry in dir.iter() {
                let entry = entry.map_err(|e| self.error(path, &e))?;
                let name = entry.file_name();
                if name == "." || name == ".." {
                    continue;
                }
                if entries.len() >= MAX_ENTRIES {
                    return Err(Error::corrupt(
                        self.place(path),
                        "FAT: the directory does not end",
                    ));
                }
                let kind = if entry.is_dir() {
                    FileKind::Directory
                } else {
                    FileKind::Regular
                };
                entries.push(DirEntry { name, kind });
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        })
    }

    fn disk_ranges(&self, visit: &mut dyn FnMut(&str, DiskRange)) -> Result<()> {
        let mut pending = vec![("/".to_owned(), 0)];
        while let Some((dir, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(Error::corrupt(
                    self.place(&dir),
                    "FAT: directories are nested without end",
                ));
            }
            for entry in self.read_dir(&dir)? {
                let path = format!("{}/{}", dir.trim_end_matches('/'), entry.name);
                if entry.kind == FileKind::Directory {
                    pending.push((path, depth + 1));
                    continue;
                }
                let Ok((_, runs)) = self.runs(&path) else {
                    continue;
                };
                let mut file_offset = 0;
                for (start, len) in runs {
                    visit(
                        &path,
                        DiskRange {
                            start: self.start + start,
                            len,
                            file_offset,
                        },
                    );
                    file_offset += len;
                }
            }
        }
        Ok(())
    }
}
