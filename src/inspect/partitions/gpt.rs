//! GUID partition table (UEFI specification 2.10, section 5.3), both copies validated field by field.

use super::{GptCopy, Partition, type_name};
use crate::inspect::disk::Disk;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::source::Location;
use uuid::Uuid;

/// Entry arrays larger than this are refused: the specification's minimum is 16 KiB, sgdisk's maximum 1 MiB.
const MAX_ARRAY: u64 = 4 << 20;

/// A GPT header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// LBA of the other copy.
    pub alternate: u64,
    /// First and last usable LBA.
    pub usable: (u64, u64),
    /// Disk GUID.
    pub disk: Uuid,
    /// LBA of the entry array.
    pub entries: u64,
    /// Number of entries.
    pub count: u32,
    /// Size of one entry in bytes.
    pub size: u32,
    /// CRC-32 of the array.
    pub crc: u32,
}

/// One copy: header and entry array, both right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Header.
    pub header: Header,
    /// The raw array.
    pub array: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    bytes
        .get(at..at + 16)
        .and_then(|b| b.try_into().ok())
        .map_or(Uuid::nil(), Uuid::from_bytes_le)
}

/// Reads and validates the copy whose header lies at `lba`. [`ErrorKind::NotFound`] when there is no signature.
pub fn read(disk: &dyn Disk, sector: u32, lba: u64) -> Result<Table> {
    let sector = u64::from(sector);
    let at = lba
        .checked_mul(sector)
        .ok_or_else(|| Error::not_found(Location::image()))?;
    let place = Location::image().at_offset(at);
    if at.saturating_add(sector) > disk.len() {
        return Err(Error::new(
            ErrorKind::NotFound,
            place,
            "beyond the end of the image",
        ));
    }
    let bytes = disk.read_vec(at, sector as usize)?;
    if bytes.get(..8) != Some(b"EFI PART") {
        return Err(Error::new(ErrorKind::NotFound, place, "no GPT signature"));
    }
    let corrupt = |message: String| Error::corrupt(place.clone(), message);
    let size = u32_at(&bytes, 12);
    if !(92..=512).contains(&size) {
        return Err(corrupt(format!(
            "GPT header size {size} is not between 92 and 512"
        )));
    }
    let mut summed = bytes[..size as usize].to_vec();
    summed[16..20].fill(0);
    let (want, got) = (u32_at(&bytes, 16), crc32fast::hash(&summed));
    if want != got {
        return Err(corrupt(format!(
            "GPT header CRC is {got:#010x}, recorded as {want:#010x}"
        )));
    }
    if u64_at(&bytes, 24) != lba {
        return Err(corrupt(format!(
            "GPT header says it lies at LBA {}, and lies at {lba}",
            u64_at(&bytes, 24)
        )));
    }
    let header = Header {
        alternate: u64_at(&bytes, 32),
        usable: (u64_at(&bytes, 40), u64_at(&bytes, 48)),
        disk: guid_at(&bytes, 56),
        entries: u64_at(&bytes, 72),
        count: u32_at(&bytes, 80),
        size: u32_at(&bytes, 84),
        crc: u32_at(&bytes, 88),
    };
    if header.size < 128 || !header.size.is_power_of_two() || header.size > 4096 {
        return Err(corrupt(format!(
            "GPT entry size {} is not 128 times a power of two",
            header.size
        )));
    }
    let length = u64::from(header.count) * u64::from(header.size);
    if length > MAX_ARRAY {
        return Err(corrupt(format!(
            "GPT claims {} partition entries",
            header.count
        )));
    }
    let start = header
        .entries
        .checked_mul(sector)
        .ok_or_else(|| corrupt("GPT entry array lies beyond the disk".into()))?;
    let array = disk.read_vec(start, length as usize)?;
    let got = crc32fast::hash(&array);
    if got != header.crc {
        let place = Location::image().at_offset(start);
        return Err(Error::corrupt(
            place,
            format!(
                "GPT entry array CRC is {got:#010x}, recorded as {:#010x}",
                header.crc
            ),
        ));
    }
    Ok(Table { header, array })
}

/// A read as the state of the copy.
pub fn state(result: &Result<Table>) -> GptCopy {
    match result {
        Ok(_) => GptCopy::Good,
        Err(e) if e.kind == ErrorKind::NotFound => GptCopy::Missing,
        Err(e) => GptCopy::Corrupt(e.clone()),
    }
}

/// The used entries of a table. An entry whose end lies before its start is kept with length 0.
pub fn partitions(table: &Table, sector: u32) -> Vec<Partition> {
    let sector = u64::from(sector);
    table
        .array
        .chunks_exact(table.header.size as usize)
        .zip(1u32..)
        .filter(|(entry, _)| !guid_at(entry, 0).is_nil())
        .map(|(entry, number)| {
            let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
            let sectors = last.checked_sub(first).map_or(0, |n| n.saturating_add(1));
            let kind = guid_at(entry, 0);
            let label: Vec<u16> = entry[56..128]
                .chunks_exact(2)
                .map(|c| u16::from_le_bytes([c[0], c[1]]))
                .take_while(|c| *c != 0)
                .collect();
            Partition {
                number,
                id: format!("p{number}"),
                start: first.saturating_mul(sector),
                len: sectors.saturating_mul(sector),
                type_id: kind.to_string(),
                type_name: type_name(&kind),
                partuuid: guid_at(entry, 16).to_string(),
                partlabel: String::from_utf16_lossy(&label),
                attributes: u64_at(entry, 48),
                content: super::Content::default(),
            }
        })
        .collect()
}
