//! The partition table: GPT (primary and backup) and MBR.

pub mod content;
pub mod gpt;
pub mod lost;
pub mod mbr;

use super::disk::{Disk, Slice};
use super::error::{Error, Result};
use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

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

/// The usual name of a GPT type GUID (UEFI specification; Discoverable Partitions Specification).
pub fn type_name(kind: &Uuid) -> Option<String> {
    let own = match kind.to_string().as_str() {
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "ESP",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => "Linux root (x86-64)",
        "b921b045-1df0-41c3-af44-4c6f280d3fae" => "Linux root (arm64)",
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "Linux filesystem data",
        "8484680c-9521-48c6-9c11-b0720656f69e" => "Linux /usr (x86-64)",
        "b0e01050-ee5f-4390-949a-9101b17104e9" => "Linux /usr (arm64)",
        "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5" => "Linux root verity (x86-64)",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "Linux swap",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172" => "Linux extended boot",
        "21686148-6449-6e6f-744e-656564454649" => "BIOS boot",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "Microsoft basic data",
        _ => {
            let guid = kind.to_string().to_uppercase();
            let known: ::gpt::partition_types::Type = guid.parse().ok()?;
            return Some(format!("{:?}", known.os)).filter(|name| name != "None");
        }
    };
    Some(own.to_owned())
}

/// The type GUID of an EFI system partition.
pub const ESP_TYPE: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// Reads the partition table: GPT with its backup, else MBR, else the whole file as one file system.
/// `esp` and `root` are left to the caller, who knows the contents.
pub fn read(disk: &Arc<dyn Disk>) -> Result<DiskFacts> {
    let mbr = mbr::read(disk.as_ref())?;
    let mut facts = match gpt_facts(disk.as_ref()) {
        Some(facts) => facts,
        None => match &mbr {
            Some(mbr) if mbr.has_partitions() && !mbr.is_protective() => DiskFacts {
                table: TableKind::Mbr,
                sector_size: 512,
                disk_id: Some(format!("{:08x}", mbr.signature)),
                primary: None,
                backup: None,
                partitions: mbr.partitions(disk.as_ref(), 512),
                esp: None,
                root: None,
            },
            Some(mbr) if mbr.is_protective() => DiskFacts {
                table: TableKind::Gpt,
                sector_size: 512,
                disk_id: None,
                primary: Some(GptCopy::Missing),
                backup: Some(GptCopy::Missing),
                partitions: Vec::new(),
                esp: None,
                root: None,
            },
            _ => bare(disk)?,
        },
    };
    for partition in &mut facts.partitions {
        let slice = Slice::new(disk, &partition.id, partition.start, partition.len);
        partition.content = content::detect(&slice);
    }
    Ok(facts)
}

/// A file without a table is judged when it is one file system.
fn bare(disk: &Arc<dyn Disk>) -> Result<DiskFacts> {
    let content = content::detect(disk.as_ref());
    let Some(fs_type) = content.fs_type.clone() else {
        return Err(Error::corrupt(
            mbr::place(),
            "no partition table and no file system: not a disk image",
        ));
    };
    if fs_type == "iso9660" {
        return Err(Error::unsupported(
            Location::image(),
            "an ISO 9660 image (installer or live system), not a disk image",
        ));
    }
    Ok(DiskFacts {
        table: TableKind::None,
        sector_size: 512,
        disk_id: None,
        primary: None,
        backup: None,
        partitions: vec![Partition {
            number: 1,
            id: "p1".into(),
            start: 0,
            len: disk.len(),
            type_id: String::new(),
            type_name: None,
            partuuid: String::new(),
            partlabel: String::new(),
            attributes: 0,
            content,
        }],
        esp: None,
        root: None,
    })
}

/// GPT facts, when at least one copy has the signature. With two bad copies the partitions stay empty.
fn gpt_facts(disk: &dyn Disk) -> Option<DiskFacts> {
    for sector in [512u32, 4096] {
        let primary = gpt::read(disk, sector, 1);
        let last = (disk.len() / u64::from(sector)).saturating_sub(1);
        let mut backup = gpt::read(disk, sector, last);
        // An image that was grown has its backup where the primary says, not at the end.
        if let (Ok(table), Err(_)) = (&primary, &backup)
            && table.header.alternate != last
            && let Ok(found) = gpt::read(disk, sector, table.header.alternate)
        {
            backup = Ok(found);
        }
        let states = (gpt::state(&primary), gpt::state(&backup));
        if states == (GptCopy::Missing, GptCopy::Missing) {
            continue;
        }
        // With the primary gone and no backup at this sector size, the other size may fit better.
        if sector == 512 && primary.is_err() && backup.is_err() && gpt::read(disk, 4096, 1).is_ok()
        {
            continue;
        }
        let table = primary.ok().or_else(|| backup.ok());
        return Some(DiskFacts {
            table: TableKind::Gpt,
            sector_size: sector,
            disk_id: table.as_ref().map(|t| t.header.disk.to_string()),
            primary: Some(states.0),
            backup: Some(states.1),
            partitions: table
                .map(|t| gpt::partitions(&t, sector))
                .unwrap_or_default(),
            esp: None,
            root: None,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::disk::memory::MemoryDisk;

    /// A GPT disk of `sectors` 512-byte sectors with one partition at 34..=66.
    fn gpt_disk(sectors: u64) -> Vec<u8> {
        let mut bytes = vec![0; (sectors * 512) as usize];
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes[450] = 0xee;
        bytes[454] = 1;
        bytes[458..462].copy_from_slice(&(sectors as u32 - 1).to_le_bytes());
        let mut array = vec![0; 128 * 128];
        array[..16].copy_from_slice(&Uuid::parse_str(ESP_TYPE).unwrap().to_bytes_le());
        array[16..32].copy_from_slice(&[7; 16]);
        array[32..40].copy_from_slice(&34u64.to_le_bytes());
        array[40..48].copy_from_slice(&66u64.to_le_bytes());
        array[56] = b'e';
        let header = |lba: u64, other: u64, entries: u64| {
            let mut h = vec![0; 512];
            h[..8].copy_from_slice(b"EFI PART");
            h[10] = 1;
            h[12] = 92;
            h[24..32].copy_from_slice(&lba.to_le_bytes());
            h[32..40].copy_from_slice(&other.to_le_bytes());
            h[72..80].copy_from_slice(&entries.to_le_bytes());
            h[80..84].copy_from_slice(&128u32.to_le_bytes());
            h[84..88].copy_from_slice(&128u32.to_le_bytes());
            h[88..92].copy_from_slice(&crc32fast::hash(&array).to_le_bytes());
            let crc = crc32fast::hash(&h[..92]);
            h[16..20].copy_from_slice(&crc.to_le_bytes());
            h
        };
        let last = sectors - 1;
        bytes[512..1024].copy_from_slice(&header(1, last, 2));
        bytes[1024..1024 + array.len()].copy_from_slice(&array);
        let at = ((last - 32) * 512) as usize;
        bytes[at..at + array.len()].copy_from_slice(&array);
        bytes[(last * 512) as usize..].copy_from_slice(&header(last, 1, last - 32));
        bytes
    }

    fn facts(bytes: Vec<u8>) -> Result<DiskFacts> {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk(bytes));
        read(&disk)
    }

    #[test]
    fn both_copies_good() {
        let facts = facts(gpt_disk(200)).unwrap();
        assert_eq!(
            (facts.primary, facts.backup),
            (Some(GptCopy::Good), Some(GptCopy::Good))
        );
        let p = &facts.partitions[0];
        assert_eq!(
            (p.start, p.len, p.type_name.as_deref(), p.partlabel.as_str()),
            (34 * 512, 33 * 512, Some("ESP"), "e")
        );
        assert_eq!(p.partuuid, "07070707-0707-0707-0707-070707070707");
    }

    #[test]
    fn a_bad_primary_falls_back_to_the_backup_and_says_so() {
        for at in [512 + 40, 1024 + 300] {
            let mut bytes = gpt_disk(200);
            bytes[at] ^= 1;
            let facts = facts(bytes).unwrap();
            assert!(matches!(facts.primary, Some(GptCopy::Corrupt(_))));
            assert_eq!(
                (facts.backup, facts.partitions.len()),
                (Some(GptCopy::Good), 1)
            );
        }
    }

    #[test]
    fn a_truncated_image_has_no_backup() {
        let mut bytes = gpt_disk(200);
        bytes.truncate(150 * 512);
        let facts = facts(bytes).unwrap();
        assert_eq!(facts.primary, Some(GptCopy::Good));
        assert_eq!(facts.backup, Some(GptCopy::Missing));
    }

    #[test]
    fn four_billion_entries_are_refused() {
        let mut bytes = gpt_disk(200);
        for at in [512usize, 199 * 512] {
            bytes[at + 80..at + 84].fill(0xff);
            bytes[at + 16..at + 20].fill(0);
            let crc = crc32fast::hash(&bytes[at..at + 92]);
            bytes[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
        }
        let facts = facts(bytes).unwrap();
        assert!(
            matches!(&facts.primary, Some(GptCopy::Corrupt(e)) if e.message.contains("4294967295"))
        );
        assert!(facts.partitions.is_empty());
    }

    #[test]
    fn a_protective_mbr_without_gpt_is_a_table_with_both_copies_missing() {
        let mut bytes = gpt_disk(200);
        bytes[512] = 0;
        bytes[199 * 512] = 0;
        let found = facts(bytes).unwrap();
        assert_eq!(
            (found.primary, found.backup),
            (Some(GptCopy::Missing), Some(GptCopy::Missing))
        );
        assert!(
            facts(vec![0; 4096])
                .unwrap_err()
                .message
                .contains("not a disk image")
        );
    }
}
