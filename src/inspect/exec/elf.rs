//! ELF programs: machine, dynamic loader, needed libraries.

use super::Format;
use super::libraries::SearchPath;
use crate::inspect::error::Result;
use crate::inspect::filesystem::FileSystem;
use goblin::elf::Elf;

/// Programs larger than this are recognised by their header alone.
const ELF_CAP: u64 = 64 << 20;
/// More needed libraries than any program has.
const MAX_NEEDED: usize = 512;

/// The name of an ELF machine, as `uname -m` spells it.
pub fn machine_name(machine: u16) -> String {
    match machine {
        goblin::elf::header::EM_X86_64 => "x86_64".into(),
        goblin::elf::header::EM_386 => "i686".into(),
        goblin::elf::header::EM_AARCH64 => "aarch64".into(),
        goblin::elf::header::EM_ARM => "armv7l".into(),
        goblin::elf::header::EM_RISCV => "riscv64".into(),
        other => format!("{other:#06x}"),
    }
}

/// Reads the program at a canonical path. A header that says ELF with damage behind it is [`Format::Unknown`].
pub fn format(fs: &dyn FileSystem, search: &SearchPath, path: &str, size: u64) -> Result<Format> {
    let head = fs.read_at(path, 0, 64)?;
    let machine = match head.get(18..20) {
        Some(bytes) => machine_name(u16::from_le_bytes([bytes[0], bytes[1]])),
        None => return Ok(Format::Unknown),
    };
    if size > ELF_CAP {
        return Ok(Format::Elf {
            machine,
            interpreter: None,
            needed: Vec::new(),
            missing_libraries: Vec::new(),
        });
    }
    let bytes = fs.read(path, ELF_CAP)?;
    let Ok(elf) = Elf::parse(&bytes) else {
        return Ok(Format::Unknown);
    };
    // The kernel refuses a program whose segments lie beyond its end.
    if elf.program_headers.iter().any(|p| {
        p.p_type == goblin::elf::program_header::PT_LOAD
            && p.p_offset.saturating_add(p.p_filesz) > size
    }) {
        return Ok(Format::Unknown);
    }
    let needed: Vec<String> = elf
        .libraries
        .iter()
        .take(MAX_NEEDED)
        .map(|l| (*l).to_owned())
        .collect();
    let origin = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
    let runpaths: Vec<String> = elf
        .runpaths
        .iter()
        .chain(&elf.rpaths)
        .flat_map(|list| list.split(':'))
        .map(|dir| dir.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))
        .collect();
    let missing_libraries = needed
        .iter()
        .filter(|name| !search.has(fs, &runpaths, name))
        .cloned()
        .collect();
    Ok(Format::Elf {
        machine,
        interpreter: elf.interpreter.map(str::to_owned),
        needed,
        missing_libraries,
    })
}
