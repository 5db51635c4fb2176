//! Inodes and the blocks behind them: extents, classic block maps, inline data.

use super::superblock::Superblock;
use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, Result};
use crate::inspect::filesystem::FileKind;
use crate::inspect::source::Location;

/// A file in more pieces than this is refused: 16 TiB in 4 KiB pieces would be more memory than it is worth.
const MAX_RUNS: usize = 1 << 20;

/// `EXT4_EXTENTS_FL`, `EXT4_INLINE_DATA_FL`, `EXT4_ENCRYPT_FL`.
const EXTENTS: u32 = 0x8_0000;
const INLINE: u32 = 0x1000_0000;
const ENCRYPTED: u32 = 0x800;

/// One inode.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Number.
    pub number: u32,
    /// `i_mode`.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Size in bytes.
    pub size: u64,
    flags: u32,
    block: [u8; 60],
}

/// Consecutive blocks: logical start, physical start (none for a hole or unwritten blocks), count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First block in the file.
    pub logical: u64,
    /// First block on the disk.
    pub physical: Option<u64>,
    /// Number of blocks.
    pub count: u64,
}

/// `EXT4_JOURNAL_INO`: every mke2fs puts an internal journal there.
const JOURNAL: u32 = 8;

/// The file system as inodes see it.
pub struct Volume<'a> {
    /// Bytes of the partition.
    pub disk: &'a dyn Disk,
    /// Superblock.
    pub sb: &'a Superblock,
    /// Partition label for errors.
    pub partition: &'a str,
}

impl Volume<'_> {
    fn corrupt(&self, offset: u64, message: impl Into<String>) -> Error {
        Error::corrupt(
            Location::partition(self.partition).at_offset(offset),
            format!("ext4: {}", message.into()),
        )
    }

    /// Byte offset of the inode table of a group.
    pub fn inode_table(&self, group: u32) -> Result<u64> {
        let table = (self.sb.first_block + 1) * self.sb.block_size;
        let at = table + u64::from(group) * u64::from(self.sb.descriptor_size);
        let bytes = self
            .disk
            .read_vec(at, usize::from(self.sb.descriptor_size))?;
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([
                bytes[at],
                bytes[at + 1],
                bytes[at + 2],
                bytes[at + 3],
            ]))
        };
        let high = if bytes.len() >= 64 {
            word(0x28) << 32
        } else {
            0
        };
        let block = word(0x8) | high;
        if block == 0 || block >= self.sb.blocks {
            return Err(self.corrupt(
                at,
                format!("group {group} has its inode table at block {block}"),
            ));
        }
        Ok(block * self.sb.block_size)
    }

    /// Reads an inode.
    pub fn inode(&self, number: u32) -> Result<Inode> {
        if number == 0 || number > self.sb.inodes {
            return Err(self.corrupt(0, format!("there is no inode {number}")));
        }
        let index = (number - 1) % self.sb.inodes_per_group;
        let at = self.inode_table((number - 1) / self.sb.inodes_per_group)?
            + u64::from(index) * u64::from(self.sb.inode_size);
        let bytes = self.disk.read_vec(at, 128)?;
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let mode = half(0);
        let regular_or_dir = matches!(mode & 0xf000, 0x8000 | 0x4000);
        let mut block = [0; 60];
        block.copy_from_slice(&bytes[0x28..0x64]);
        Ok(Inode {
            number,
            mode,
            uid: u32::from(half(2)) | u32::from(half(0x78)) << 16,
            size: u64::from(word(4))
                | if regular_or_dir {
                    u64::from(word(0x6c)) << 32
                } else {
                    0
                },
            flags: word(0x20),
            block,
        })
    }

    /// The kernel does not mount a file system whose journal is gone (`ext4_get_journal_inode`, fs/ext4/super.c).
    pub fn check_journal(&self) -> Result<()> {
        if !self.sb.has_journal() {
            return Ok(());
        }
        let inode = self.inode(JOURNAL)?;
        let regular = inode.mode & 0xf000 == 0x8000;
        if regular && inode.size > 0 {
            return Ok(());
        }
        Err(self.corrupt(0, format!("its journal (inode {JOURNAL}) is gone")))
    }

    /// The blocks of a file, in file order, holes left out.
    pub fn runs(&self, inode: &Inode) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        if inode.flags & EXTENTS != 0 {
            self.extents(&inode.block, inode.number, None, &mut runs)?;
        } else {
            self.block_map(inode, &mut runs)?;
        }
        Ok(runs)
    }

    /// One node of the extent tree; `depth` is what the parent says this node's depth must be.
    fn extents(
        &self,
        node: &[u8],
        number: u32,
        depth: Option<u16>,
        runs: &mut Vec<Run>,
    ) -> Result<()> {
        let half = |at: usize| u16::from_le_bytes([node[at], node[at + 1]]);
        let word =
            |at: usize| u32::from_le_bytes([node[at], node[at + 1], node[at + 2], node[at + 3]]);
        let (magic, entries, own) = (half(0), usize::from(half(2)), half(6));
        if magic != 0xf30a
            || own > 5
            || depth.is_some_and(|d| d != own)
            || 12 + entries * 12 > node.len()
        {
            return Err(self.corrupt(0, format!("inode {number} has a damaged extent tree")));
        }
        for at in (12..12 + entries * 12).step_by(12) {
            if runs.len() >= MAX_RUNS {
                return Err(Error::limit(
                    Location::partition(self.partition),
                    format!("ext4: inode {number} is in too many pieces"),
                ));
            }
            if own == 0 {
                let length = u64::from(half(at + 4));
                let physical = u64::from(half(at + 6)) << 32 | u64::from(word(at + 8));
                // Lengths above 32768 mean allocated but not written: they read as zeros.
                let (count, written) = if length > 32768 {
                    (length - 32768, false)
                } else {
                    (length, true)
                };
                if written && physical.saturating_add(count) > self.sb.blocks {
                    return Err(self.corrupt(
                        0,
                        format!("inode {number} claims block {physical}, beyond the file system"),
                    ));
                }
                runs.push(Run {
                    logical: u64::from(word(at)),
                    physical: written.then_some(physical),
                    count,
                });
            } else {
                let child = u64::from(half(at + 8)) << 32 | u64::from(word(at + 4));
                if child == 0 || child >= self.sb.blocks {
                    return Err(self.corrupt(
                        0,
                        format!("inode {number} has an extent node at block {child}"),
                    ));
                }
                let bytes = self
                    .disk
                    .read_vec(child * self.sb.block_size, self.sb.block_size as usize)?;
                self.extents(&bytes, number, Some(own - 1), runs)?;
            }
        }
        Ok(())
    }

    /// ext2/3: twelve direct blocks, then one, two and three levels of indirection.
    fn block_map(&self, inode: &Inode, runs: &mut Vec<Run>) -> Result<()> {
        let mut wanted = inode.size.div_ceil(self.sb.block_size);
        let mut logical = 0;
        for (slot, bytes) in inode.block.chunks_exact(4).enumerate() {
            if wanted == 0 {
                break;
            }
            let block = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            let level = slot.saturating_sub(11) as u32;
            self.indirect(block, level, &mut logical, &mut wanted, inode.number, runs)?;
        }
        Ok(())
    }

    fn indirect(
        &self,
        block: u64,
        level: u32,
        logical: &mut u64,
        wanted: &mut u64,
        number: u32,
        runs: &mut Vec<Run>,
    ) -> Result<()> {
        let per = self.sb.block_size / 4;
        if block == 0 {
            let span = per.pow(level).min(*wanted);
            *logical += span;
            *wanted -= span;
            return Ok(());
        }
        if block >= self.sb.blocks {
            return Err(self.corrupt(
                0,
                format!("inode {number} claims block {block}, beyond the file system"),
            ));
        }
        if level == 0 {
            let pieces = runs.len();
            match runs.last_mut() {
                Some(run)
                    if run.physical.is_some_and(|p| p + run.count == block)
                        && run.logical + run.count == *logical =>
                {
                    run.count += 1
                }
                _ if pieces >= MAX_RUNS => {
                    return Err(Error::limit(
                        Location::partition(self.partition),
                        format!("ext4: inode {number} is in too many pieces"),
                    ));
                }
                _ => runs.push(Run {
                    logical: *logical,
                    physical: Some(block),
                    count: 1,
                }),
            }
            *logical += 1;
            *wanted -= 1;
            return Ok(());
        }
        let bytes = self
            .disk
            .read_vec(block * self.sb.block_size, self.sb.block_size as usize)?;
        for entry in bytes.chunks_exact(4) {
            if *wanted == 0 {
                break;
            }
            let child = u64::from(u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]));
            self.indirect(child, level - 1, logical, wanted, number, runs)?;
        }
        Ok(())
    }

    /// At most `len` bytes of a file from `offset`.
    pub fn read(&self, inode: &Inode, offset: u64, len: usize) -> Result<Vec<u8>> {
        if inode.flags & ENCRYPTED != 0 {
            return Err(Error::unsupported(
                Location::partition(self.partition),
                format!("ext4: inode {} is encrypted", inode.number),
            ));
        }
        let end = offset.saturating_add(len as u64).min(inode.size);
        let mut out = vec![0; end.saturating_sub(offset) as usize];
        if inode.flags & INLINE != 0 {
            if inode.size > 60 {
                return Err(Error::unsupported(
                    Location::partition(self.partition),
                    format!(
                        "ext4: inode {} keeps its data in extended attributes",
                        inode.number
                    ),
                ));
            }
            out.copy_from_slice(&inode.block[offset as usize..end as usize]);
            return Ok(out);
        }
        for run in self.runs(inode)? {
            let Some(physical) = run.physical else {
                continue;
            };
            let first = run.logical * self.sb.block_size;
            let (from, to) = (
                first.max(offset),
                (first + run.count * self.sb.block_size).min(end),
            );
            if from < to {
                let target = &mut out[(from - offset) as usize..(to - offset) as usize];
                self.disk
                    .read_exact_at(physical * self.sb.block_size + (from - first), target)?;
            }
        }
        Ok(out)
    }

    /// Target of a symbolic link; short ones live in the inode itself.
    pub fn link_target(&self, inode: &Inode) -> Result<String> {
        if inode.size > 4096 {
            return Err(self.corrupt(
                0,
                format!(
                    "symbolic link inode {} claims a target of {} bytes",
                    inode.number, inode.size
                ),
            ));
        }
        let bytes = if inode.size < 60 && inode.flags & EXTENTS == 0 {
            inode.block[..inode.size as usize].to_vec()
        } else {
            self.read(inode, 0, inode.size as usize)?
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Inode {
    /// Type of the file.
    pub fn kind(&self) -> FileKind {
        match self.mode & 0xf000 {
            0x8000 => FileKind::Regular,
            0x4000 => FileKind::Directory,
            0xa000 => FileKind::Symlink,
            _ => FileKind::Special,
        }
    }
}
