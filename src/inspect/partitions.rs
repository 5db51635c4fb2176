//! The partition table: GPT (primary and backup) and MBR.

use super::error::Error;
use schemars::JsonSchema;
use serde::Serialize;

/// Kind of partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// GUID partition table.
    Gpt,
    /// Master boot record only.
    Mbr,
    /// No table: the file is one file system.
    None,
}

/// State of one copy of the GPT (header and entry array).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", content = "error", rename_all = "kebab-case")]
pub enum GptCopy {
    /// Signature, both CRCs and bounds are right.
    Good,
    /// Not there at all.
    Missing,
    /// There, but damaged; the error says which field and where.
    Corrupt(Error),
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Partition {
    /// 1-based number in the table.
    pub number: u32,
    /// `p1`, `p2`, … as used in locations.
    pub id: String,
    /// First byte in the image.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// GPT type GUID in lower case, or the MBR type as `0x83`.
    pub type_id: String,
    /// Partition type by its usual name (`ESP`, `Linux root (x86-64)`, …) when known.
    pub type_name: Option<String>,
    /// PARTUUID as the kernel writes it: lower-case GUID, or `xxxxxxxx-NN` for MBR.
    pub partuuid: String,
    /// PARTLABEL (GPT only, may be empty).
    pub partlabel: String,
    /// GPT attribute bits.
    pub attributes: u64,
    /// What lies in it, by its magic bytes.
    pub content: Content,
}

/// Content of a partition by magic bytes, with what `blkid` would call it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Content {
    /// `vfat`, `ext4`, `squashfs`, `swap`, `btrfs`, `erofs`, `DM_verity_hash`, `crypto_LUKS`, …; none when nothing is recognised.
    pub fs_type: Option<String>,
    /// UUID as udev's by-uuid would spell it.
    pub uuid: Option<String>,
    /// File system label.
    pub label: Option<String>,
}

/// The disk as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiskFacts {
    /// Kind of table.
    pub table: TableKind,
    /// Logical sector size in bytes (512 or 4096).
    pub sector_size: u32,
    /// Disk GUID, or the MBR disk signature as 8 hex digits.
    pub disk_id: Option<String>,
    /// Primary GPT, when `table` is GPT.
    pub primary: Option<GptCopy>,
    /// Backup GPT, when `table` is GPT.
    pub backup: Option<GptCopy>,
    /// Partitions by number.
    pub partitions: Vec<Partition>,
    /// Partition that the firmware takes as ESP (`p1`): by type, or the first FAT with `EFI/` when none has the type.
    pub esp: Option<String>,
    /// Partition that holds the root file system: what `root=` resolves to, else the largest Linux file system with `/etc` or `/usr`.
    pub root: Option<String>,
}
