//! ext2/3/4.
//!
//! A file system that was cleanly unmounted is read by our own by-inode reader: it also gives the places of files on the
//! disk, which the tracing of disk reads needs, and walks a whole tree in milliseconds. One whose journal must be
//! replayed first is read through ext4-view, which replays it in memory.

pub mod inode;
pub mod replayed;
pub mod superblock;
pub mod tree;

use super::FileSystem;
use crate::inspect::disk::Disk;
use crate::inspect::error::Result;
use std::sync::Arc;
use superblock::Superblock;

/// Opens the file system in `disk`, which starts at byte `start` of the image.
pub fn open(disk: Arc<dyn Disk>, partition: &str, start: u64) -> Result<Arc<dyn FileSystem>> {
    let superblock = Superblock::read(disk.as_ref(), partition)?;
    if superblock.needs_recovery() && replayed::usable(&superblock) {
        return Ok(Arc::new(replayed::ReplayedExt4::open(
            disk, partition, superblock,
        )?));
    }
    Ok(Arc::new(tree::Ext4Fs::open(
        disk, partition, start, superblock,
    )?))
}
