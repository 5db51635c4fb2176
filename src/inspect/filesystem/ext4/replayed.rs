//! ext4 with a journal that has to be replayed: through ext4-view, which does so in memory.

use super::superblock::Superblock;
use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::filesystem::{DirEntry, DiskRange, FileKind, FileSystem, Metadata};
use crate::inspect::source::Location;
use ext4_view::{Ext4, Ext4Error, Ext4Read};
use std::error::Error as StdError;
use std::sync::Arc;

/// Blocks above which ext4-view's own tables would get too large for a crafted superblock.
const MAX_GROUPS: u64 = 1 << 20;

/// ext4-view reads the file system after a replay (it refuses fast_commit and some old layouts).
pub fn usable(sb: &Superblock) -> bool {
    let groups = sb.blocks / u64::from(sb.blocks_per_group.max(1));
    sb.features.0 & 0x400 == 0
        && sb.features.2 & 0x400 != 0
        && sb.features.1 & 0x80 != 0
        && groups <= MAX_GROUPS
}

/// A file system read after its journal was replayed in memory. `Ext4` is not `Send`, so each call loads it anew; that costs tens of microseconds.
pub struct ReplayedExt4 {
    disk: Arc<dyn Disk>,
    partition: String,
}

struct Reader(Arc<dyn Disk>);

impl Ext4Read for Reader {
    fn read(
        &mut self,
        start: u64,
        dst: &mut [u8],
    ) -> std::result::Result<(), Box<dyn StdError + Send + Sync + 'static>> {
        self.0
            .read_exact_at(start, dst)
            .map_err(|e| Box::new(e) as Box<dyn StdError + Send + Sync>)
    }
}

impl ReplayedExt4 {
    /// Replays and opens.
    pub fn open(disk: Arc<dyn Disk>, partition: &str, _: Superblock) -> Result<ReplayedExt4> {
        let fs = ReplayedExt4 {
            disk,
            partition: partition.to_owned(),
        };
        fs.load()?;
        Ok(fs)
    }

    fn load(&self) -> Result<Ext4> {
        Ext4::load(Box::new(Reader(Arc::clone(&self.disk)))).map_err(|e| self.error("/", &e))
    }

    fn error(&self, path: &str, e: &Ext4Error) -> Error {
        let place = Location::file(&self.partition, path);
        match e {
            Ext4Error::NotFound | Ext4Error::NotADirectory => Error::not_found(place),
            Ext4Error::Incompatible(_) => Error::unsupported(place, format!("ext4: {e}")),
            Ext4Error::Corrupt(_) => Error::corrupt(place, format!("ext4: {e}")),
            Ext4Error::TooManySymlinks | Ext4Error::FileTooLarge | Ext4Error::PathTooLong => {
                Error::limit(place, format!("ext4: {e}"))
            }
            _ => Error::new(ErrorKind::Io, place, format!("ext4: {e}")),
        }
    }
}

fn metadata_of(m: &ext4_view::Metadata) -> Metadata {
    let kind = if m.is_dir() {
        FileKind::Directory
    } else if m.is_symlink() {
        FileKind::Symlink
    } else if m.file_type().is_regular_file() {
        FileKind::Regular
    } else {
        FileKind::Special
    };
    Metadata {
        kind,
        mode: m.mode() & 0o7777,
        size: m.len(),
        uid: m.uid(),
    }
}

impl FileSystem for ReplayedExt4 {
    fn type_name(&self) -> &'static str {
        "ext4"
    }

    fn partition(&self) -> &str {
        &self.partition
    }

    fn metadata(&self, path: &str) -> Result<Metadata> {
        self.load()?
            .metadata(path)
            .map(|m| metadata_of(&m))
            .map_err(|e| self.error(path, &e))
    }

    fn symlink_metadata(&self, path: &str) -> Result<Metadata> {
        self.load()?
            .symlink_metadata(path)
            .map(|m| metadata_of(&m))
            .map_err(|e| self.error(path, &e))
    }

    fn read_link(&self, path: &str) -> Result<String> {
        let target = self
            .load()?
            .read_link(path)
            .map_err(|e| self.error(path, &e))?;
        Ok(target.display().to_string())
    }

    fn canonicalize(&self, path: &str) -> Result<String> {
        let found = self
            .load()?
            .canonicalize(path)
            .map_err(|e| self.error(path, &e))?;
        Ok(found.display().to_string())
    }

    fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>> {
        let size = self.metadata(path)?.size;
        if size > cap {
            return Err(Error::limit(
                Location::file(&self.partition, path),
                format!("{size} bytes, more than the {cap} that are read"),
            ));
        }
        self.read_at(path, 0, size as usize)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let fs = self.load()?;
        let mut file = fs.open(path).map_err(|e| self.error(path, &e))?;
        let end = offset.saturating_add(len as u64).min(file.metadata().len());
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        file.seek_to(offset).map_err(|e| self.error(path, &e))?;
        let mut done = 0;
        while done < out.len() {
            match file
                .read_bytes(&mut out[done..])
                .map_err(|e| self.error(path, &e))?
            {
                0 => break,
                n => done += n,
            }
        }
        out.truncate(done);
        Ok(out)
    }

    fn read_dir(&self, path: &str) -> Result<Vec<DirEntry>> {
        let fs = self.load()?;
        let mut entries = Vec::new();
        for entry in fs.read_dir(path).map_err(|e| self.error(path, &e))? {
            let entry = entry.map_err(|e| self.error(path, &e))?;
            let name = entry.file_name().display().to_string();
            if name == "." || name == ".." {
                continue;
            }
            let kind = entry.file_type().map_err(|e| self.error(path, &e))?;
            let kind = if kind.is_dir() {
                FileKind::Directory
            } else if kind.is_symlink() {
                FileKind::Symlink
            } else if kind.is_regular_file() {
                FileKind::Regular
            } else {
                FileKind::Special
            };
            entries.push(DirEntry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// ext4-view does not tell where files lie; reads of such a disk are not mapped to names.
    fn disk_ranges(&self, _: &mut dyn FnMut(&str, DiskRange)) -> Result<()> {
        Err(Error::unsupported(
            Location::partition(&self.partition),
            "ext4: places of files are not known while the journal has to be replayed",
        ))
    }
}
