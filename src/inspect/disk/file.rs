//! A raw image file or block device, read with `pread(2)` behind a small cache.
//!
//! Mapping the file would be a little faster, but a file that shrinks under a mapping ends the process with SIGBUS,
//! and the image is somebody else's file. Small reads share blocks of 16 KiB; large ones go straight to the caller's buffer.

use super::Disk;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::source::Location;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const BLOCK: usize = 16 << 10;
/// 32 MiB of cached blocks; a Debian root file system's metadata fits.
const MAX_BLOCKS: usize = 2048;

/// A raw image.
pub struct FileDisk {
    file: File,
    len: u64,
    read: AtomicU64,
    cache: Mutex<HashMap<u64, Arc<[u8]>>>,
}

impl FileDisk {
    /// Opens a regular file or block device read-only. A directory, FIFO, socket or character device is refused.
    pub fn open(path: &Path) -> Result<FileDisk> {
        let io = |e: &std::io::Error| Error::io(Location::image(), e);
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(nonblock)
            .open(path)
            .map_err(|e| io(&e))?;
        let kind = file.metadata().map_err(|e| io(&e))?.file_type();
        if kind.is_dir() {
            return Err(Error::unsupported(
                Location::image(),
                "is a directory, not a disk image",
            ));
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Error::unsupported(
                Location::image(),
                "is neither a regular file nor a block device",
            ));
        }
        let len = file.seek(SeekFrom::End(0)).map_err(|e| io(&e))?;
        if len == 0 {
            return Err(Error::corrupt(Location::image(), "the file is empty"));
        }
        Ok(FileDisk {
            file,
            len,
            read: AtomicU64::new(0),
            cache: Mutex::new(HashMap::new()),
        })
    }

    fn pread(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| {
            let kind = if e.kind() == std::io::ErrorKind::UnexpectedEof {
                ErrorKind::Corrupt
            } else {
                ErrorKind::Io
            };
            Error::new(
                kind,
                Location::image().at_offset(offset),
                format!("cannot read {} bytes: {e}", buf.len()),
            )
        })?;
        self.read.fetch_add(buf.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn block(&self, index: u64) -> Result<Arc<[u8]>> {
        if let Some(block) = self
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
        {
            return Ok(Arc::clone(block));
        }
        let start = index * BLOCK as u64;
        let len = (self.len - start).min(BLOCK as u64) as usize;
        let mut buf = vec![0; len];
        self.pread(start, &mut buf)?;
        let block: Arc<[u8]> = buf.into();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_BLOCKS {
            cache.clear();
        }
        cache.insert(index, Arc::clone(&block));
        Ok(block)
    }
}

impl Disk for FileDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        if offset
            .checked_add(buf.len() as u64)
            .is_none_or(|end| end > self.len)
        {
            let place = Location::image().at_offset(offset);
            return Err(Error::corrupt(
                place,
                format!(
                    "{} bytes wanted, but the image ends at {:#x}",
                    buf.len(),
                    self.len
                ),
            ));
        }
        if buf.len() > BLOCK {
            return self.pread(offset, buf);
        }
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let block = self.block(at / BLOCK as u64)?;
            let from = (at % BLOCK as u64) as usize;
            let n = (block.len() - from).min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&block[from..from + n]);
            done += n;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn reads_across_blocks_and_refuses_beyond_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        let disk = FileDisk::open(file.path()).unwrap();
        let mut buf = vec![0; 1000];
        disk.read_exact_at(BLOCK as u64 - 500, &mut buf).unwrap();
        assert_eq!(buf, bytes[BLOCK - 500..BLOCK + 500]);
        assert_eq!(
            disk.read_exact_at(99_999, &mut [0; 2]).unwrap_err().kind,
            ErrorKind::Corrupt
        );
        assert_eq!(
            disk.read_exact_at(u64::MAX, &mut [0; 2]).unwrap_err().kind,
            ErrorKind::Corrupt
        );
    }

    #[test]
    fn what_is_not_a_disk_is_said() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            FileDisk::open(dir.path())
                .err()
                .unwrap()
                .message
                .contains("directory")
        );
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(
            FileDisk::open(empty.path())
                .err()
                .unwrap()
                .message
                .contains("empty")
        );
        assert!(FileDisk::open(Path::new("/dev/null")).is_err());
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
        assert!(FileDisk::open(&fifo).is_err());
    }
}
