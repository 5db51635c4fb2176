//! PE executables of the ESP: machine, sections, signature, damage (Microsoft PE format; UEFI specification 2.1.1).
//!
//! goblin reads the headers. Sections are cut out by hand: their sizes come from the file, and must lie in it.

use super::PeFacts;
use crate::inspect::error::{Error, Result};
use crate::inspect::filesystem::{FileSystem, OpenFile};
use crate::inspect::source::Location;
use goblin::pe::header::{Header, machine_to_str};
use goblin::pe::section_table::SectionTable;

/// Headers lie in the first bytes; firmware loads no file whose headers are larger.
const HEADER_CAP: u64 = 64 << 10;
/// `IMAGE_SUBSYSTEM_EFI_APPLICATION`.
const EFI_APPLICATION: u16 = 10;

/// One section, as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name, at most 8 bytes.
    pub name: String,
    /// Where it goes in memory, relative to the image base.
    pub address: u64,
    /// Bytes in memory.
    pub memory: u64,
    /// Where its bytes lie in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub raw: u64,
}

impl Section {
    /// Bytes that come from the file: `VirtualSize` without padding to `FileAlignment`.
    pub fn content_len(&self) -> u64 {
        self.raw.min(self.memory)
    }
}

/// A PE file and its sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What reports show.
    pub facts: PeFacts,
    /// Sections in file order.
    pub sections: Vec<Section>,
    /// COFF machine number.
    pub machine: u16,
}

impl Image {
    /// The first section with this name; later ones are ignored by systemd's stub too.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }
}

/// What the first bytes of a PE file tell.
#[derive(Debug, Default)]
pub struct Headers {
    /// COFF machine.
    pub machine: String,
    machine_number: u16,
    /// PE subsystem is an EFI application.
    pub efi_application: bool,
    signed: bool,
    sections: Vec<Section>,
    /// First damage found.
    pub damage: Option<String>,
}

/// Reads the headers in `head`, the beginning of a file of `size` bytes.
pub fn parse(head: &[u8], size: u64) -> Headers {
    let mut found = Headers {
        machine: "unknown".into(),
        ..Headers::default()
    };
    let damage = headers(head, size, &mut found).err();
    found.damage = damage.or_else(|| truncation(&found.sections, size));
    found
}

/// Reads the headers of `path`. Damage goes into the facts; an error means that nothing could be read at all.
pub fn read(fs: &dyn FileSystem, path: &str) -> Result<Image> {
    let file = fs.open_file(path)?;
    let place = Location::file(fs.partition(), path);
    let size = file.size();
    let found = if size == 0 {
        Headers {
            machine: "unknown".into(),
            damage: Some("the file is empty (0 bytes)".into()),
            ..Headers::default()
        }
    } else {
        parse(
            &read_range(file.as_ref(), &place, 0, size.min(HEADER_CAP))?,
            size,
        )
    };
    Ok(Image {
        facts: PeFacts {
            location: place.clone(),
            size,
            machine: found.machine,
            efi_application: found.efi_application,
            signed: found.signed,
            sections: found.sections.iter().map(|s| s.name.clone()).collect(),
            damage: found.damage.map(|message| Error::corrupt(place, message)),
        },
        sections: found.sections,
        machine: found.machine_number,
    })
}

/// The bytes of a section, at most `cap`.
pub fn section_bytes(
    file: &dyn OpenFile,
    place: &Location,
    section: &Section,
    cap: u64,
) -> Result<Vec<u8>> {
    read_range(file, place, section.offset, section.content_len().min(cap))
}

fn read_range(file: &dyn OpenFile, place: &Location, offset: u64, len: u64) -> Result<Vec<u8>> {
    let end = offset.saturating_add(len);
    if end > file.size() {
        return Err(Error::corrupt(
            place.clone().at_offset(offset),
            format!("{len} bytes wanted, the file ends at {:#x}", file.size()),
        ));
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_into(offset, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills in what the headers say, up to the first field that is wrong.
fn headers(head: &[u8], size: u64, found: &mut Headers) -> std::result::Result<(), String> {
    if !head.starts_with(b"MZ") {
        return Err("is not a PE program: it does not start with MZ".into());
    }
    let header = Header::parse(head).map_err(|e| format!("has no valid PE header: {e}"))?;
    let coff = &header.coff_header;
    found.machine_number = coff.machine;
    found.machine = machine_name(coff.machine);
    let Some(optional) = &header.optional_header else {
        return Err("has no PE optional header".into());
    };
    found.efi_application = optional.windows_fields.subsystem == EFI_APPLICATION;
    let certificates = optional.data_directories.get_certificate_table();
    found.signed = certificates.is_some_and(|t| t.virtual_address != 0 && t.size != 0);
    // Behind the PE signature and the COFF header comes the optional header, then the section table.
    let mut at = (header.dos_header.pe_pointer as usize)
        .saturating_add(24)
        .saturating_add(usize::from(coff.size_of_optional_header));
    let table = coff
        .sections(head, &mut at)
        .map_err(|e| format!("has a damaged section table: {e}"))?;
    found.sections = table.iter().map(section).collect();
    match certificates {
        Some(t) if u64::from(t.virtual_address) + u64::from(t.size) > size => {
            Err("is truncated: its signature lies beyond the end".into())
        }
        _ => Ok(()),
    }
}

fn section(table: &SectionTable) -> Section {
    let name: Vec<u8> = table.name.iter().copied().take_while(|c| *c != 0).collect();
    Section {
        name: String::from_utf8_lossy(&name).into_owned(),
        address: u64::from(table.virtual_address),
        memory: u64::from(table.virtual_size),
        offset: u64::from(table.pointer_to_raw_data),
        raw: u64::from(table.size_of_raw_data),
    }
}

/// EDK2 reads the last byte of each section before it loads anything (`PeCoffLoaderGetPeHeader`).
fn truncation(sections: &[Section], size: u64) -> Option<String> {
    let lost = sections
        .iter()
        .find(|s| s.raw > 0 && s.offset + s.raw > size)?;
    Some(format!(
        "is truncated: section {} ends at byte {}, the file has {size}",
        lost.name,
        lost.offset + lost.raw
    ))
}

/// Machine names as `uname -m` has them, where there is one.
pub fn machine_name(machine: u16) -> String {
    match machine {
        0x8664 => "x86_64".into(),
        0xaa64 => "aarch64".into(),
        0x014c => "i386".into(),
        0x01c0 | 0x01c2 | 0x01c4 => "arm".into(),
        0x5032 => "riscv32".into(),
        0x5064 => "riscv64".into(),
        0x6264 => "loongarch64".into(),
        other if machine_to_str(other) != "UNKNOWN" => machine_to_str(other).to_lowercase(),
        other => format!("{other:#06x}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;

    /// A small PE32+ EFI application with these sections (name, content), each on its own page.
    pub fn build(machine: u16, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = vec![0; 0x200 * (1 + sections.len().div_ceil(8))];
        let first = out.len();
        out[..2].copy_from_slice(b"MZ");
        out[0x3c] = 0x80;
        out[0x80..0x84].copy_from_slice(b"PE\0\0");
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x84, &machine.to_le_bytes());
        put(0x86, &(sections.len() as u16).to_le_bytes());
        put(0x94, &0xf0u16.to_le_bytes());
        put(0x98, &0x20bu16.to_le_bytes());
        put(0x98 + 68, &EFI_APPLICATION.to_le_bytes());
        put(0x98 + 108, &16u32.to_le_bytes());
        let mut offset = first;
        for (i, (name, content)) in sections.iter().enumerate() {
            let at = 0x98 + 0xf0 + i * 40;
            put(at, name.as_bytes());
            let raw = content.len().next_multiple_of(0x200) as u32;
            put(at + 8, &(content.len() as u32).to_le_bytes());
            put(at + 12, &(0x10000 * (i as u32 + 1)).to_le_bytes());
            put(at + 16, &raw.to_le_bytes());
            put(at + 20, &(offset as u32).to_le_bytes());
            offset += raw as usize;
        }
        for (_, content) in sections {
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(0x200), 0);
        }
        out
    }

    fn read_bytes(bytes: &[u8]) -> Image {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.efi"), bytes).unwrap();
        read(&DirectoryFs::new(dir.path(), "p1"), "/a.efi").unwrap()
    }

    #[test]
    fn headers_and_sections_are_read() {
        let image = read_bytes(&build(0x8664, &[(".text", b"code"), (".sdmagic", b"x")]));
        assert_eq!(image.facts.damage, None);
        assert_eq!(image.facts.machine, "x86_64");
        assert!(image.facts.efi_application && !image.facts.signed);
        assert_eq!(image.facts.sections, [".text", ".sdmagic"]);
        assert_eq!(image.section(".text").unwrap().content_len(), 4);
    }

    #[test]
    fn damage_is_named() {
        let whole = build(0xaa64, &[(".text", &[1; 5000])]);
        let says = |bytes: &[u8]| read_bytes(bytes).facts.damage.map(|e| e.message);
        assert_eq!(says(&whole), None);
        assert_eq!(says(b"").unwrap(), "the file is empty (0 bytes)");
        assert!(says(&whole[..3000]).unwrap().contains("section .text ends"));
        assert!(says(&whole[..100]).unwrap().contains("PE header"));
        assert!(says(b"#!/bin/sh").unwrap().contains("MZ"));
        let mut signed = whole.clone();
        signed[0x98 + 112 + 32..][..8].copy_from_slice(&[0, 0, 0, 9, 8, 0, 0, 0]);
        assert!(says(&signed).unwrap().contains("signature"));
    }

    proptest::proptest! {
        #[test]
        fn mutations_do_not_panic(at in 0usize..0x300, value: u8, cut in 0usize..2000) {
            let mut bytes = build(0x8664, &[(".text", b"code"), (".cmdline", b"quiet")]);
            bytes[at % 0x300] = value;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            read_bytes(&bytes);
        }
    }
}
