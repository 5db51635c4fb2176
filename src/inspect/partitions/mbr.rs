//! Master boot record, with logical partitions in extended ones.

use super::{Content, Partition};
use crate::inspect::disk::Disk;
use crate::inspect::error::Result;
use crate::inspect::source::Location;

/// Linux reads at most this many partitions of one disk; a chain of extended boot records may also be a loop.
const MAX_LOGICAL: u32 = 256;

/// The boot sector's signature and four entries.
pub struct Mbr {
    /// Disk signature as Linux prints it in PARTUUIDs.
    pub signature: u32,
    /// Type, first sector, number of sectors.
    pub entries: [(u8, u32, u32); 4],
}

fn entry(bytes: &[u8]) -> (u8, u32, u32) {
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    (bytes[4], word(8), word(12))
}

/// Reads sector 0; none when it has no `55 AA` signature or is a file system's boot sector.
pub fn read(disk: &dyn Disk) -> Result<Option<Mbr>> {
    if disk.len() < 512 {
        return Ok(None);
    }
    let bytes = disk.read_vec(0, 512)?;
    if bytes[510..] != [0x55, 0xaa] {
        return Ok(None);
    }
    let mut entries = [(0, 0, 0); 4];
    for (slot, chunk) in entries.iter_mut().zip(bytes[446..510].chunks_exact(16)) {
        // The status byte is 0x00 or 0x80 in every partition table; boot code of a bare FAT is not.
        if chunk[0] & 0x7f != 0 {
            return Ok(None);
        }
        *slot = entry(chunk);
    }
    let signature = u32::from_le_bytes([bytes[440], bytes[441], bytes[442], bytes[443]]);
    Ok(Some(Mbr { signature, entries }))
}

impl Mbr {
    /// A protective entry (type 0xEE) announces a GPT.
    pub fn is_protective(&self) -> bool {
        self.entries.iter().any(|(kind, ..)| *kind == 0xee)
    }

    /// Any entry is in use.
    pub fn has_partitions(&self) -> bool {
        self.entries
            .iter()
            .any(|(kind, _, sectors)| *kind != 0 && *sectors != 0)
    }

    /// Primary and logical partitions, numbered as Linux does. Units are 512-byte sectors unless `sector` says otherwise.
    pub fn partitions(&self, disk: &dyn Disk, sector: u32) -> Vec<Partition> {
        let mut found = Vec::new();
        let mut logical = 5;
        for (&(kind, start, sectors), number) in self.entries.iter().zip(1u32..) {
            if kind == 0 || sectors == 0 {
                continue;
            }
            found.push(self.partition(number, kind, u64::from(start), u64::from(sectors), sector));
            if matches!(kind, 0x05 | 0x0f | 0x85) {
                logical = self.logical(disk, u64::from(start), sector, logical, &mut found);
            }
        }
        found
    }

    fn logical(
        &self,
        disk: &dyn Disk,
        base: u64,
        sector: u32,
        mut number: u32,
        found: &mut Vec<Partition>,
    ) -> u32 {
        let mut at = base;
        for _ in 0..MAX_LOGICAL {
            let Ok(bytes) = disk.read_vec(at.saturating_mul(u64::from(sector)), 512) else {
                break;
            };
            if bytes[510..] != [0x55, 0xaa] {
                break;
            }
            let (kind, start, sectors) = entry(&bytes[446..462]);
            if kind != 0 && sectors != 0 {
                found.push(self.partition(
                    number,
                    kind,
                    at + u64::from(start),
                    u64::from(sectors),
                    sector,
                ));
                number += 1;
            }
            let (link, next, _) = entry(&bytes[462..478]);
            if !matches!(link, 0x05 | 0x0f | 0x85) || next == 0 {
                break;
            }
            at = base + u64::from(next);
        }
        number
    }

    fn partition(&self, number: u32, kind: u8, start: u64, sectors: u64, sector: u32) -> Partition {
        let sector = u64::from(sector);
        let name = match kind {
            0xef => Some("ESP"),
            0x83 => Some("Linux"),
            0x82 => Some("Linux swap"),
            0x05 | 0x0f | 0x85 => Some("Extended"),
            0x01 | 0x04 | 0x06 | 0x0e => Some("FAT16"),
            0x0b | 0x0c => Some("FAT32"),
            0x8e => Some("Linux LVM"),
            0xee => Some("GPT protective"),
            _ => None,
        };
        Partition {
            number,
            id: format!("p{number}"),
            start: start * sector,
            len: sectors * sector,
            type_id: format!("{kind:#04x}"),
            type_name: name.map(str::to_owned),
            partuuid: format!("{:08x}-{number:02x}", self.signature),
            partlabel: String::new(),
            attributes: 0,
            content: Content::default(),
        }
    }
}

/// Where a partition table would be, for messages.
pub fn place() -> Location {
    Location::image().at_offset(0)
}
