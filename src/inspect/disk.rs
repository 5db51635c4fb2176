//! The image as bytes: one seam, *read exactly N bytes at an offset*.

pub mod file;

use super::error::{Error, Result};
use super::source::Location;
use std::path::Path;
use std::sync::Arc;

/// Random access to the bytes of an image or of one partition. Offsets are relative to its start.
pub trait Disk: Send + Sync {
    /// Size in bytes.
    fn len(&self) -> u64;
    /// True when the size is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` from `offset`, or fails with the place that lies beyond the end.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
    /// Bytes read from the file so far, for the report of cost.
    fn bytes_read(&self) -> u64 {
        0
    }
    /// `len` bytes from `offset`, at most `cap`.
    fn read_vec(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        if (len as u64) > self.len() {
            return Err(Error::corrupt(
                Location::image().at_offset(offset),
                format!("{len} bytes do not fit into {}", self.len()),
            ));
        }
        let mut buf = vec![0; len];
        self.read_exact_at(offset, &mut buf)?;
        Ok(buf)
    }
}

/// Opens an image file or block device for reading.
pub fn open(path: &Path) -> Result<Arc<dyn Disk>> {
    Ok(Arc::new(file::FileDisk::open(path)?))
}

/// A part of a disk: one partition.
pub struct Slice {
    disk: Arc<dyn Disk>,
    partition: String,
    start: u64,
    len: u64,
}

impl Slice {
    /// The bytes `start..start + len` of `disk`, cut off at its end. Errors name `partition`.
    pub fn new(disk: &Arc<dyn Disk>, partition: &str, start: u64, len: u64) -> Slice {
        let len = len.min(disk.len().saturating_sub(start));
        Slice {
            disk: Arc::clone(disk),
            partition: partition.to_owned(),
            start,
            len,
        }
    }
}

impl Disk for Slice {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            let place = Location::partition(&self.partition).at_offset(offset);
            return Err(Error::corrupt(
                place,
                format!(
                    "{} bytes wanted beyond the end at {:#x}",
                    buf.len(),
                    self.len
                ),
            ));
        }
        self.disk.read_exact_at(self.start + offset, buf)
    }
    fn bytes_read(&self) -> u64 {
        self.disk.bytes_read()
    }
}

#[cfg(test)]
pub(crate) mod memory {
    use super::*;

    /// A disk in memory, for tests.
    pub struct MemoryDisk(pub Vec<u8>);

    impl Disk for MemoryDisk {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
            let range = usize::try_from(offset)
                .ok()
                .and_then(|o| Some(o..o.checked_add(buf.len())?));
            match range.and_then(|r| self.0.get(r)) {
                Some(bytes) => {
                    buf.copy_from_slice(bytes);
                    Ok(())
                }
                None => Err(Error::corrupt(
                    Location::image().at_offset(offset),
                    "beyond the end",
                )),
            }
        }
    }
}
