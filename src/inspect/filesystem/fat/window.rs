//! The reader under fatfs: read-only, with a budget, and able to note places instead of reading them.

use crate::inspect::disk::Disk;
use crate::inspect::error::ErrorKind;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A view of the file system's bytes. Clones share budget and notes.
#[derive(Clone)]
pub struct Window {
    disk: Arc<dyn Disk>,
    position: u64,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    budget: u64,
    /// Reads from here on are noted, not carried out.
    record_from: Option<u64>,
    runs: Vec<(u64, u64)>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HostError(String);

/// The error came from the host, not from the image.
pub fn is_host_error(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|e| e.is::<HostError>())
}

impl Window {
    /// A window over the whole disk. The budget is twice its size: no operation needs to read anything twice.
    pub fn new(disk: &Arc<dyn Disk>) -> Window {
        let budget = disk.len().saturating_mul(2).saturating_add(1 << 20);
        Window {
            disk: Arc::clone(disk),
            position: 0,
            shared: Arc::new(Mutex::new(Shared {
                budget,
                record_from: None,
                runs: Vec::new(),
            })),
        }
    }

    /// From now on, reads in the data area (from byte `first_data` on) are noted and not carried out; the FAT is still read.
    pub fn record(&self, first_data: u64) {
        self.shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record_from = Some(first_data);
    }

    /// The places noted, in order, joined where they touch.
    pub fn recorded(&self) -> Vec<(u64, u64)> {
        std::mem::take(
            &mut self
                .shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .runs,
        )
    }
}

impl Read for Window {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.disk.len().saturating_sub(self.position);
        let n = (buf.len() as u64).min(left) as usize;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.budget = match shared.budget.checked_sub(n.max(1) as u64) {
            Some(rest) => rest,
            None => return Err(io::Error::other("a chain of clusters does not end")),
        };
        let at = self.position;
        if shared.record_from.is_some_and(|from| at >= from) && n > 0 {
            match shared.runs.last_mut() {
                Some((start, len)) if *start + *len == at => *len += n as u64,
                _ => shared.runs.push((at, n as u64)),
            }
        } else {
            drop(shared);
            self.disk
                .read_exact_at(self.position, &mut buf[..n])
                .map_err(|e| match e.kind {
                    ErrorKind::Io => io::Error::other(HostError(e.to_string())),
                    _ => io::Error::new(io::ErrorKind::InvalidData, e.to_string()),
                })?;
        }
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
            SeekFrom::End(n) => self.disk.len().checked_add_signed(n),
        };
        self.position = target
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

impl Write for Window {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "images are never written",
        ))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
