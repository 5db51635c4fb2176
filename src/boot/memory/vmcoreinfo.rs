//! vmcoreinfo: the note that the kernel keeps for crash dumpers (Documentation/admin-guide/kdump/vmcoreinfo.rst).
//!
//! It is an ELF note with owner `VMCOREINFO` at the start of a page of its own (kernel/vmcore_info.c, before 6.9
//! kernel/crash_core.c). Its text names addresses, offsets and sizes, one `KIND(name)=value` per line.

use super::{GuestMemory, PAGE};
use std::collections::BTreeMap;

/// `n_namesz` 11, then `n_descsz` and `n_type`, then the name.
const NAME: &[u8] = b"VMCOREINFO\0";
/// The text begins at the next multiple of 4 after header and name.
const TEXT_AT: usize = 24;
/// `VMCOREINFO_BYTES` is one page; arm64 pages may have 64 KiB.
const TEXT_CAP: usize = 1 << 16;
/// Real ones have about 120.
const LINES_CAP: usize = 4096;
/// Read at a time while searching.
const CHUNK: usize = 256 << 10;
/// More notes than this are not looked at.
const NOTES_CAP: usize = 64;

/// What one kernel says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmCoreInfo {
    values: BTreeMap<String, String>,
    /// Guest-physical address of the note.
    pub address: u64,
}

impl VmCoreInfo {
    /// Parses the note's text. `None` when it does not begin as the kernel writes it.
    pub fn parse(address: u64, text: &[u8]) -> Option<VmCoreInfo> {
        let text = text.split(|b| *b == 0).next()?;
        let text = std::str::from_utf8(text).ok()?;
        if !text.starts_with("OSRELEASE=") {
            return None;
        }
        let values = text
            .lines()
            .take(LINES_CAP)
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Some(VmCoreInfo { values, address })
    }

    /// Any value by its whole key (`OSRELEASE`, `KERNELOFFSET`).
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// `uname -r`.
    pub fn release(&self) -> &str {
        self.get("OSRELEASE").unwrap_or_default()
    }

    /// Major and minor version.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release().split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// Address of a symbol.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        let value = self.get(&format!("SYMBOL({name})"))?;
        u64::from_str_radix(value.trim_start_matches("0x"), 16).ok()
    }

    /// Offset of a field (`prb_desc.state_var`).
    pub fn offset(&self, field: &str) -> Option<u64> {
        self.get(&format!("OFFSET({field})"))?.parse().ok()
    }

    /// Size of a structure.
    pub fn size(&self, structure: &str) -> Option<u64> {
        self.get(&format!("SIZE({structure})"))?.parse().ok()
    }

    /// Length of an array.
    pub fn length(&self, array: &str) -> Option<u64> {
        self.get(&format!("LENGTH({array})"))?.parse().ok()
    }

    /// A number, decimal (maybe negative) or hexadecimal, as 64 bits in two's complement.
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.get(&format!("NUMBER({name})"))?;
        match value.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => value
                .parse::<i64>()
                .map(|n| n as u64)
                .or_else(|_| value.parse())
                .ok(),
        }
    }
}

/// All notes in guest memory, by address. Stale ones, of a kernel that ran before a reboot, may be among them.
pub fn find(memory: &dyn GuestMemory) -> Vec<VmCoreInfo> {
    let mut found = Vec::new();
    let mut chunk = vec![0; CHUNK];
    for range in memory.populated() {
        let mut at = range.start.next_multiple_of(PAGE);
        while at < range.end && found.len() < NOTES_CAP {
            let len = (range.end - at).min(CHUNK as u64);
            let part = &mut chunk[..len as usize];
            if memory.read_at(at, part).is_ok() {
                for (n, page) in part.chunks(PAGE as usize).enumerate() {
                    if is_note(page) {
                        found.extend(read(memory, at + n as u64 * PAGE));
                    }
                }
            }
            at += len;
        }
    }
    found
}

/// Whether a page begins like the note.
fn is_note(page: &[u8]) -> bool {
    page.starts_with(&[11, 0, 0, 0]) && page.get(12..12 + NAME.len()) == Some(NAME)
}

/// The note at an address.
pub fn read(memory: &dyn GuestMemory, address: u64) -> Option<VmCoreInfo> {
    let mut head = [0; TEXT_AT];
    memory.read_at(address, &mut head).ok()?;
    if !is_note(&head) {
        return None;
    }
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let size = usize::try_from(size).ok().filter(|s| *s <= TEXT_CAP)?;
    let mut text = vec![0; size];
    memory.read_at(address + TEXT_AT as u64, &mut text).ok()?;
    VmCoreInfo::parse(address, &text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::boot::memory::tests::Bytes;

    /// A note as the kernel writes it.
    pub(crate) fn note(text: &str) -> Vec<u8> {
        let mut note = 11u32.to_le_bytes().to_vec();
        note.extend((text.len() as u32).to_le_bytes());
        note.extend(0u32.to_le_bytes());
        note.extend(NAME);
        note.push(0);
        note.extend(text.as_bytes());
        note
    }

    #[test]
    fn notes_are_found_at_page_starts_only() {
        let mut ram = vec![0; 5 * PAGE as usize];
        let note = note("OSRELEASE=6.1.0-50-amd64\nNUMBER(phys_base)=-4096\n");
        for at in [4096, 3 * 4096, 4 * 4096 + 8] {
            ram[at..at + note.len()].copy_from_slice(&note);
        }
        let found = find(&Bytes::new(1 << 32, ram));
        let at: Vec<u64> = found.iter().map(|i| i.address - (1 << 32)).collect();
        assert_eq!(at, [4096, 3 * 4096]);
        assert_eq!(found[0].version(), Some((6, 1)));
        assert_eq!(found[0].number("phys_base"), Some(-4096i64 as u64));
    }

    #[test]
    fn lengths_are_not_believed() {
        let mut note = note("OSRELEASE=6.1\n");
        note[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        note.resize(8192, 0);
        assert_eq!(find(&Bytes::new(0, note.clone())), []);
        note[4..8].copy_from_slice(&9000u32.to_le_bytes());
        assert_eq!(find(&Bytes::new(0, note)), []);
        assert_eq!(find(&Bytes::new(0, vec![11; 7])), []);
    }

    #[test]
    fn values_by_kind() {
        let text = b"OSRELEASE=5.4.0\nSYMBOL(prb)=ffffffffb7e64660\nOFFSET(a.b)=8\nSIZE(c)=24\n\
            NUMBER(VA_BITS)=48\nNUMBER(x)=0xff7164fb40000000\nNUMBER(y)=18446744073709551615\nSYMBOL(z)=zz\nno value\0junk";
        let info = VmCoreInfo::parse(0, text).unwrap();
        assert_eq!(info.symbol("prb"), Some(0xffff_ffff_b7e6_4660));
        assert_eq!(info.offset("a.b"), Some(8));
        assert_eq!(info.size("c"), Some(24));
        assert_eq!(info.number("VA_BITS"), Some(48));
        assert_eq!(info.number("x"), Some(0xff71_64fb_4000_0000));
        assert_eq!(info.number("y"), Some(u64::MAX));
        assert_eq!(info.symbol("z"), None);
        assert_eq!(VmCoreInfo::parse(0, b"KERNELOFFSET=0"), None);
    }
}
