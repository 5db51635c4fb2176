//! A module file: an ELF object, perhaps compressed, perhaps signed (`kernel/module/main.c`, `scripts/sign-file.c`).

use crate::inspect::compression;
use crate::inspect::error::Result;
use crate::inspect::filesystem::FileSystem;
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::section_header::{SHT_NOBITS, SectionHeader};
use goblin::elf::{Elf, header};

/// The largest Debian module (amdgpu) unpacks to 25 MB.
const CAP: u64 = 128 << 20;
/// What `sign-file` puts at the very end.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// What a module file tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// `vermagic` of `.modinfo`.
    pub vermagic: Option<String>,
    /// Ends with an appended signature.
    pub signed: bool,
    /// Why the kernel would not load it.
    pub damage: Option<String>,
}

/// Reads a module file.
pub fn read(fs: &dyn FileSystem, path: &str) -> Result<Object> {
    let bytes = fs.read(path, CAP)?;
    if bytes.is_empty() {
        return Ok(damaged("the file is empty (0 bytes)"));
    }
    let bytes = match compression::expand(bytes, CAP) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(damaged(&format!("cannot be unpacked: {error}"))),
    };
    Ok(parse(&bytes))
}

fn damaged(message: &str) -> Object {
    Object {
        damage: Some(message.to_owned()),
        ..Object::default()
    }
}

/// Reads an unpacked module.
pub fn parse(bytes: &[u8]) -> Object {
    let mut object = Object {
        signed: bytes.ends_with(SIGNED),
        ..Object::default()
    };
    match modinfo(bytes) {
        Ok(info) => {
            let text = |entry: &[u8]| String::from_utf8_lossy(entry).into_owned();
            let entries = info.split(|c| *c == 0).map(text);
            let mut values = entries.filter_map(|e| e.strip_prefix("vermagic=").map(str::to_owned));
            object.vermagic = values.next();
        }
        Err(message) => object.damage = Some(message),
    }
    object
}

/// The bytes of `.modinfo`, after the checks that the kernel makes first.
fn modinfo(bytes: &[u8]) -> std::result::Result<&[u8], String> {
    let not_elf = |_| "is not an ELF file".to_owned();
    let header = Elf::parse_header(bytes).map_err(not_elf)?;
    if header.e_type != header::ET_REL {
        return Err("is not a relocatable ELF object".into());
    }
    let container = header.container().unwrap_or(Container::Big);
    let endian = header.endianness().unwrap_or(Endian::Little);
    let (table, count) = (header.e_shoff, u64::from(header.e_shnum));
    let end = table.saturating_add(count * u64::from(header.e_shentsize));
    if table == 0 || end > bytes.len() as u64 {
        return Err(format!(
            "is truncated: its section table ends at byte {end}, the file has {}",
            bytes.len()
        ));
    }
    let context = Ctx::new(container, endian);
    let sections = SectionHeader::parse(bytes, table as usize, count as usize, context)
        .map_err(|e| format!("has a damaged section table: {e}"))?;
    let content = |section: &SectionHeader| {
        let start = usize::try_from(section.sh_offset).ok()?;
        let len = usize::try_from(section.sh_size).ok()?;
        bytes.get(start..start.checked_add(len)?)
    };
    let mut in_file = sections.iter().filter(|s| s.sh_type != SHT_NOBITS);
    if in_file.any(|section| content(section).is_none()) {
        return Err("is truncated: a section lies beyond the end".into());
    }
    let names = sections
        .get(usize::from(header.e_shstrndx))
        .and_then(content)
        .unwrap_or_default();
    let named = |section: &&SectionHeader| {
        let rest = names.get(section.sh_name..).unwrap_or_default();
        rest.starts_with(b".modinfo\0")
    };
    let section = sections.iter().find(named);
    section
        .and_then(content)
        .ok_or_else(|| "has no .modinfo section: not a kernel module".into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A relocatable x86-64 object with `.modinfo` and a section name table.
    pub fn build(info: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let mut out = vec![0; 64];
        out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        out[16] = 1;
        out[18] = 62;
        out[20] = 1;
        let info_at = out.len() as u64;
        out.extend_from_slice(info);
        let names_at = out.len() as u64;
        out.extend_from_slice(names);
        let table = out.len() as u64;
        out[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        out[0x34] = 64;
        out[0x3a] = 64;
        out[0x3c] = 3;
        out[0x3e] = 2;
        let mut section = |name: u32, kind: u32, at: u64, len: u64| {
            let mut entry = vec![0; 64];
            entry[..4].copy_from_slice(&name.to_le_bytes());
            entry[4..8].copy_from_slice(&kind.to_le_bytes());
            entry[24..32].copy_from_slice(&at.to_le_bytes());
            entry[32..40].copy_from_slice(&len.to_le_bytes());
            out.extend(entry);
        };
        section(0, 0, 0, 0);
        section(1, 1, info_at, info.len() as u64);
        section(10, 3, names_at, names.len() as u64);
        out
    }

    const INFO: &[u8] = b"license=GPL\0vermagic=6.1.0-9-amd64 SMP mod_unload \0";

    #[test]
    fn vermagic_and_signature_are_read() {
        let mut bytes = build(INFO);
        let object = parse(&bytes);
        assert_eq!(
            object.vermagic.as_deref(),
            Some("6.1.0-9-amd64 SMP mod_unload ")
        );
        assert_eq!((object.signed, object.damage), (false, None));
        bytes.extend_from_slice(SIGNED);
        assert!(parse(&bytes).signed);
    }

    #[test]
    fn damage_is_named() {
        let whole = build(INFO);
        let says = |bytes: &[u8]| parse(bytes).damage.unwrap_or_default();
        assert_eq!(says(&whole), "");
        assert!(says(&whole[..whole.len() - 10]).contains("section table"));
        assert!(says(&[0; 4096]).contains("not an ELF"));
        let mut beyond = whole.clone();
        let at = whole.len() - 2 * 64 + 32;
        beyond[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(says(&beyond).contains("beyond the end"));
        let mut program = whole.clone();
        program[16] = 2;
        assert!(says(&program).contains("relocatable"));
        let mut nameless = whole.clone();
        let dot = whole.windows(8).position(|w| w == b".modinfo").unwrap();
        nameless[dot] = b'x';
        assert!(says(&nameless).contains(".modinfo"));
    }

    proptest::proptest! {
        #[test]
        fn mutations_do_not_panic(at in 0usize..400, value: u8, cut in 0usize..400) {
            let mut bytes = build(INFO);
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            parse(&bytes);
        }
    }
}
