//! One read-only view for every file system an image can hold.

pub mod directory;
pub mod ext4;
pub mod fat;
pub mod mounted;

use super::disk::{Disk, Slice};
use super::error::{Error, Result};
use super::partitions::Partition;
use super::source::{Location, SourceFile};
use std::sync::Arc;

/// Type of a directory entry or inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Device node, FIFO or socket.
    Special,
}

/// What `lstat(2)` would say, as far as checks need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Type.
    pub kind: FileKind,
    /// Permission bits (`0o7777`); FAT reports `0o755`.
    pub mode: u16,
    /// Size in bytes.
    pub size: u64,
    /// Owner.
    pub uid: u32,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Name; bytes that are not UTF-8 are replaced (such an entry cannot be opened by path).
    pub name: String,
    /// Type.
    pub kind: FileKind,
}

/// A range of a file on the disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskRange {
    /// First byte, from the start of the *image*.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// Offset in the file.
    pub file_offset: u64,
}

/// A read-only file system. Paths are absolute inside it; symbolic links are followed within it and never out of it.
pub trait FileSystem: Send + Sync {
    /// Kernel name of the file system type: `ext4`, `vfat`, `squashfs`.
    fn type_name(&self) -> &'static str;
    /// The exact kind, where the kernel's type name covers several: `FAT16`.
    fn variant(&self) -> &'static str {
        self.type_name()
    }
    /// Feature flags that other readers may not know, by the names of the file system's own tools.
    fn features(&self) -> Vec<String> {
        Vec::new()
    }
    /// Partition label for locations (`p2`).
    fn partition(&self) -> &str;
    /// Metadata of the file, symbolic links followed.
    fn metadata(&self, path: &str) -> Result<Metadata>;
    /// Metadata of the last component itself, not followed.
    fn symlink_metadata(&self, path: &str) -> Result<Metadata>;
    /// Target text of a symbolic link.
    fn read_link(&self, path: &str) -> Result<String>;
    /// The path with all symbolic links resolved (also of the last component).
    fn canonicalize(&self, path: &str) -> Result<String>;
    /// Whole content; [`ErrorKind::Limit`](super::error::ErrorKind::Limit) when larger than `cap` bytes.
    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>>;
    /// At most `len` bytes from `offset`.
    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>>;
    /// Opens a regular file for many reads; where its content lies is looked up once.
    fn open_file<'a>(&'a self, path: &str) -> Result<Box<dyn OpenFile + 'a>> {
        Ok(Box::new(ByPath {
            fs: self,
            path: path.to_owned(),
            size: self.metadata(path)?.size,
        }))
    }
    /// Entries of a directory without `.` and `..`, sorted by name.
    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>>;

    /// Names the file behind every byte range of the image that this file system uses: files by path, its own
    /// structures as `<inode table>`, `<directory /etc>`.
    fn disk_ranges(&self, visit: &mut dyn FnMut(&str, DiskRange)) -> Result<()>;

    /// Whether something is there, symbolic links followed.
    fn exists(&self, path: &str) -> bool {
        self.metadata(path).is_ok()
    }

    /// A text file with its place, for parsers that report lines.
    fn read_source(&self, path: &str, cap: u64) -> Result<Arc<SourceFile>> {
        let bytes = self.read(path, cap)?;
        Ok(Arc::new(SourceFile {
            partition: self.partition().to_owned(),
            path: path.to_owned(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }))
    }
}

/// A regular file that was found and can be read piece by piece.
pub trait OpenFile: Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Fills `buf` from `offset`; fewer bytes only at the end of the file.
    fn read_into(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;
}

/// The open file of a file system that looks its content up cheaply.
struct ByPath<'a, F: ?Sized> {
    fs: &'a F,
    path: String,
    size: u64,
}

impl<F: FileSystem + ?Sized> OpenFile for ByPath<'_, F> {
    fn size(&self) -> u64 {
        self.size
    }
    fn read_into(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let bytes = self.fs.read_at(&self.path, offset, buf.len())?;
        let len = bytes.len().min(buf.len());
        buf[..len].copy_from_slice(&bytes[..len]);
        Ok(len)
    }
}

/// Cap for configuration files: units, fstab, loader entries.
pub const CONFIG_CAP: u64 = 1 << 20;

/// Opens the file system of a partition; names the type when it is one that isar-doctor does not read.
pub fn open(disk: &Arc<dyn Disk>, partition: &Partition) -> Result<Arc<dyn FileSystem>> {
    let slice: Arc<dyn Disk> = Arc::new(Slice::new(
        disk,
        &partition.id,
        partition.start,
        partition.len,
    ));
    match partition.content.fs_type.as_deref() {
        Some("vfat") => Ok(Arc::new(fat::FatFs::open(
            slice,
            &partition.id,
            partition.start,
        )?)),
        Some("ext2" | "ext3" | "ext4") => ext4::open(slice, &partition.id, partition.start),
        Some(other) => Err(Error::unsupported(
            Location::partition(&partition.id),
            format!("{other} is a file system that isar-doctor does not read"),
        )),
        None => Err(Error::corrupt(
            Location::partition(&partition.id),
            "no file system is recognised",
        )),
    }
}
