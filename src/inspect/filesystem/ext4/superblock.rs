//! The ext4 superblock (kernel: Documentation/filesystems/ext4/super.rst), validated before anything trusts it.

use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, Result};
use crate::inspect::source::Location;

/// Incompatible features that change how files are found or read, and that our reader does not know.
const UNREAD: &[(u32, &str)] = &[
    (0x0001, "compression"),
    (0x0010, "meta_bg"),
    (0x0008, "journal_dev"),
    (0x1000, "dirdata"),
];

const FEATURES_COMPAT: &[(u32, &str)] = &[
    (0x4, "has_journal"),
    (0x20, "dir_index"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x1000, "orphan_file"),
];
const FEATURES_INCOMPAT: &[(u32, &str)] = &[
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x10000, "encrypt"),
    (0x20000, "casefold"),
];
const FEATURES_RO: &[(u32, &str)] = &[
    (0x10, "gdt_csum"),
    (0x100, "quota"),
    (0x400, "metadata_csum"),
    (0x2000, "project"),
    (0x8000, "verity"),
    (0x10000, "orphan_present"),
];

/// What the superblock says, after its numbers were found possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes of a block.
    pub block_size: u64,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of inodes.
    pub inodes: u32,
    /// First data block (1 for 1 KiB blocks).
    pub first_block: u64,
    /// Blocks in a group.
    pub blocks_per_group: u32,
    /// Inodes in a group.
    pub inodes_per_group: u32,
    /// Bytes of an inode.
    pub inode_size: u16,
    /// Bytes of a group descriptor.
    pub descriptor_size: u16,
    /// Compatible, incompatible and read-only-compatible features.
    pub features: (u32, u32, u32),
    /// `s_journal_inum`: 8, or 0 with an external journal.
    pub journal_inode: u32,
    /// `s_state`: 1 = clean, 2 = errors.
    pub state: u16,
}

impl Superblock {
    /// Reads it from byte 1024 and checks every number that later reads depend on.
    pub fn read(disk: &dyn Disk, partition: &str) -> Result<Superblock> {
        let place = || Location::partition(partition).at_offset(1024);
        let bytes = disk
            .read_vec(1024, 1024)
            .map_err(|_| Error::corrupt(place(), "ext4: too small for a superblock"))?;
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let corrupt = |message: String| Error::corrupt(place(), message);
        if half(0x38) != 0xef53 {
            return Err(corrupt(format!(
                "ext4: bad superblock magic {:#06x}",
                half(0x38)
            )));
        }
        let log = word(0x18);
        if log > 6 {
            return Err(corrupt(format!(
                "ext4: impossible block size 2^{}",
                u64::from(log) + 10
            )));
        }
        let features = (word(0x5c), word(0x60), word(0x64));
        let wide = features.1 & 0x80 != 0;
        let sb = Superblock {
            block_size: 1024 << log,
            blocks: u64::from(word(0x4))
                | if wide {
                    u64::from(word(0x150)) << 32
                } else {
                    0
                },
            inodes: word(0),
            first_block: u64::from(word(0x14)),
            blocks_per_group: word(0x20),
            inodes_per_group: word(0x28),
            inode_size: if word(0x4c) == 0 { 128 } else { half(0x58) },
            descriptor_size: if wide { half(0xfe) } else { 32 },
            features,
            journal_inode: word(0xe0),
            state: half(0x3a),
        };
        if sb.inode_size < 128
            || u64::from(sb.inode_size) > sb.block_size
            || !sb.inode_size.is_power_of_two()
        {
            return Err(corrupt(format!(
                "ext4: impossible inode size {}",
                sb.inode_size
            )));
        }
        if sb.descriptor_size < 32
            || sb.descriptor_size > 1024
            || !sb.descriptor_size.is_power_of_two()
        {
            return Err(corrupt(format!(
                "ext4: impossible group descriptor size {}",
                sb.descriptor_size
            )));
        }
        let bits = sb.block_size * 8;
        if sb.blocks_per_group == 0
            || u64::from(sb.blocks_per_group) > bits
            || sb.inodes_per_group == 0
            || u64::from(sb.inodes_per_group) > bits
        {
            return Err(corrupt(format!(
                "ext4: impossible group of {} blocks and {} inodes",
                sb.blocks_per_group, sb.inodes_per_group
            )));
        }
        let known: Vec<_> = UNREAD
            .iter()
            .filter(|(bit, _)| features.1 & bit != 0)
            .map(|(_, name)| *name)
            .collect();
        if !known.is_empty() {
            return Err(Error::unsupported(
                place(),
                format!("ext4: feature {} is not read", known.join(", ")),
            ));
        }
        Ok(sb)
    }

    /// Size in bytes that the file system claims.
    pub fn size(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size)
    }

    /// It has a journal, and in itself: no external journal device.
    pub fn has_journal(&self) -> bool {
        self.features.0 & 0x4 != 0 && self.journal_inode == 8
    }

    /// The journal has to be replayed before the file system is whole.
    pub fn needs_recovery(&self) -> bool {
        self.features.1 & 0x4 != 0
    }

    /// Errors were found while it was mounted, or it was never unmounted cleanly.
    pub fn dirt(&self) -> Option<String> {
        if self.state & 2 != 0 {
            return Some("the superblock records file system errors".into());
        }
        if self.needs_recovery() {
            return Some("the journal has to be replayed".into());
        }
        (self.state & 1 == 0).then(|| "it was not cleanly unmounted".into())
    }

    /// Names of the features, as `dumpe2fs` spells them.
    pub fn feature_names(&self) -> Vec<String> {
        [
            (self.features.0, FEATURES_COMPAT),
            (self.features.1, FEATURES_INCOMPAT),
            (self.features.2, FEATURES_RO),
        ]
        .iter()
        .flat_map(|(bits, names)| names.iter().filter(move |(bit, _)| bits & bit != 0))
        .map(|(_, name)| (*name).to_owned())
        .collect()
    }
}
