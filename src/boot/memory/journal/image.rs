//! The persistent journal that an image already holds: what earlier boots of it said.

use super::entry::Entry;
use super::file::{Bytes, Journal};
use super::follow::{Recovered, merge};
use crate::inspect::error::{ErrorKind, Result};
use crate::inspect::filesystem::{FileKind, FileSystem};
use std::cell::RefCell;

/// Where journald keeps it.
const DIRECTORY: &str = "/var/log/journal";
/// Files read; a machine that rotates keeps some dozen.
const FILES_CAP: usize = 64;
/// Read at a time.
const BLOCK: u64 = 64 << 10;

/// A file of the image, read in blocks.
struct ImageFile<'a> {
    files: &'a dyn FileSystem,
    path: String,
    size: u64,
    /// The block read last.
    block: RefCell<(u64, Vec<u8>)>,
}

impl Bytes for ImageFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }
    fn fill(&self, mut offset: u64, mut buf: &mut [u8]) -> bool {
        let mut block = self.block.borrow_mut();
        while !buf.is_empty() {
            let start = offset - offset % BLOCK;
            if block.0 != start || block.1.is_empty() {
                match self.files.read_at(&self.path, start, BLOCK as usize) {
                    Ok(bytes) => *block = (start, bytes),
                    Err(_) => return false,
                }
            }
            let inside = (offset - start) as usize;
            let Some(there) = block.1.get(inside..).filter(|there| !there.is_empty()) else {
                return false;
            };
            let len = there.len().min(buf.len());
            let (part, rest) = buf.split_at_mut(len);
            part.copy_from_slice(&there[..len]);
            offset = offset.saturating_add(len as u64);
            buf = rest;
        }
        true
    }
}

/// All entries in `/var/log/journal/*/*.journal`, by time. Empty when there is no such directory.
pub fn read(files: &dyn FileSystem) -> Result<Recovered> {
    let machines = match files.read_dir(DIRECTORY) {
        Ok(machines) => machines,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Recovered::default()),
        Err(error) => return Err(error),
    };
    let mut all: Vec<Vec<Entry>> = Vec::new();
    for machine in machines.iter().filter(|m| m.kind == FileKind::Directory) {
        let directory = format!("{DIRECTORY}/{}", machine.name);
        for file in files.read_dir(&directory)? {
            let path = format!("{directory}/{}", file.name);
            let wanted = file.name.ends_with(".journal") || file.name.ends_with(".journal~");
            if file.kind != FileKind::Regular || !wanted || all.len() >= FILES_CAP {
                continue;
            }
            let bytes = ImageFile {
                files,
                size: files.metadata(&path)?.size,
                path,
                block: RefCell::default(),
            };
            if let Some(mut journal) = Journal::open(bytes) {
                all.push(journal.entries());
            }
        }
    }
    Ok(merge(all))
}
