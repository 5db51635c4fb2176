//! What grub-mkimage put into a GRUB program: its modules, its prefix and a configuration of its own
//! (`include/grub/kernel.h`, `struct grub_module_info`).

use super::super::pe::{self, Image};
use crate::inspect::filesystem::FileSystem;
use std::collections::BTreeSet;

/// A GRUB with every module has 5 MB.
const CAP: u64 = 32 << 20;
const MAGIC: &[u8] = b"mimg";
const TYPE_ELF: u32 = 0;
const TYPE_CONFIG: u32 = 2;
const TYPE_PREFIX: u32 = 3;

/// The content of a GRUB program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Names of the built-in modules; empty when they could not be read.
    pub modules: BTreeSet<String>,
    /// Where it looks for `grub.cfg`, as it was built.
    pub prefix: Option<String>,
    /// The configuration inside.
    pub config: Option<String>,
    /// Package version, from its greeting.
    pub version: Option<String>,
}

/// Reads the modules of a PE program.
pub fn read(fs: &dyn FileSystem, path: &str, image: &Image) -> Program {
    let Some(section) = image.section("mods") else {
        return Program::default();
    };
    let Ok(file) = fs.open_file(path) else {
        return Program::default();
    };
    let bytes = pe::section_bytes(file.as_ref(), &image.facts.location, section, CAP);
    bytes.map(|bytes| parse(&bytes)).unwrap_or_default()
}

/// Walks the module list.
pub fn parse(bytes: &[u8]) -> Program {
    let mut program = Program::default();
    let Some(start) = bytes.get(..4).filter(|m| *m == MAGIC).map(|_| 0) else {
        return program;
    };
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    // 64-bit programs have padding and two 64-bit words behind the magic number.
    let (Some(offset), Some(size)) = (long(start + 8), long(start + 16)) else {
        return program;
    };
    let end = size.min(bytes.len() as u64) as usize;
    let mut at = offset.min(end as u64) as usize;
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    while let (Some(kind), Some(len)) = (word(at), word(at + 4)) {
        let next = at.saturating_add(len as usize);
        let Some(body) = bytes.get(at + 8..next).filter(|_| next <= end) else {
            break;
        };
        match kind {
            TYPE_ELF => {
                if program.version.is_none() {
                    program.version = version(body);
                }
                program.modules.extend(module_name(body));
            }
            TYPE_CONFIG => program.config = text(body),
            TYPE_PREFIX => program.prefix = text(body),
            _ => {}
        }
        at = next;
    }
    program
}

fn text(body: &[u8]) -> Option<String> {
    let end = body.iter().position(|c| *c == 0).unwrap_or(body.len());
    Some(String::from_utf8_lossy(body.get(..end)?).into_owned())
}

/// The `.modname` section of a module.
fn module_name(elf: &[u8]) -> Option<String> {
    use goblin::container::{Container, Ctx, Endian};
    use goblin::elf::{Elf, section_header::SectionHeader};
    let header = Elf::parse_header(elf).ok()?;
    let context = Ctx::new(
        header.container().unwrap_or(Container::Big),
        header.endianness().unwrap_or(Endian::Little),
    );
    let count = usize::from(header.e_shnum);
    let end = header
        .e_shoff
        .checked_add(count as u64 * u64::from(header.e_shentsize))?;
    if end > elf.len() as u64 {
        return None;
    }
    let table = header.e_shoff as usize;
    let sections = SectionHeader::parse(elf, table, count, context).ok()?;
    let content = |section: &SectionHeader| {
        let start = usize::try_from(section.sh_offset).ok()?;
        elf.get(start..start.checked_add(usize::try_from(section.sh_size).ok()?)?)
    };
    let names = content(sections.get(usize::from(header.e_shstrndx))?)?;
    let named = |s: &&SectionHeader| {
        let rest = names.get(s.sh_name..).unwrap_or_default();
        rest.starts_with(b".modname\0")
    };
    text(content(sections.iter().find(named)?)?)
}

/// `2.06-13+deb12u1` beside the greeting of the module "normal".
fn version(elf: &[u8]) -> Option<String> {
    let greeting = b"GNU GRUB";
    elf.windows(greeting.len()).position(|w| w == greeting)?;
    let texts = elf.split(|c| *c == 0);
    let version = |text: &&[u8]| {
        text.len() < 64
            && text.len() > 3
            && text.starts_with(b"2.")
            && text[2..]
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || b".-+~".contains(c))
    };
    texts
        .filter(version)
        .map(|t| String::from_utf8_lossy(t).into_owned())
        .next()
}
