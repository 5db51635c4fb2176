//! ELF cores of a whole machine, as QEMU's `dump-guest-memory` writes them: one PT_LOAD per piece of RAM (dump/dump.c).

use super::MemoryError;
use super::file::Segment;
use goblin::container::{Container, Ctx};
use goblin::elf::header::{EM_AARCH64, EM_X86_64, ET_CORE, SIZEOF_IDENT};
use goblin::elf::program_header::PT_LOAD;
use goblin::elf::{Elf, ProgramHeader};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Far more than QEMU writes; more would be kept in a section header (`PN_XNUM`).
const HEADERS_CAP: usize = 4096;

/// The pieces of RAM in an ELF core. Pieces beyond the end of a truncated file are cut.
pub fn segments(file: &File, size: u64) -> Result<Vec<Segment>, MemoryError> {
    let unsupported = |why: &str| MemoryError::Unsupported(format!("an ELF file, but {why}"));
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0)?;
    let header = Elf::parse_header(&head).map_err(|e| unsupported(&e.to_string()))?;
    if header.e_type != ET_CORE {
        return Err(unsupported("not a core dump"));
    }
    if !matches!(header.e_machine, EM_X86_64 | EM_AARCH64) {
        return Err(unsupported("not of an x86-64 or arm64 machine"));
    }
    let container = header
        .container()
        .map_err(|e| unsupported(&e.to_string()))?;
    let endian = header
        .endianness()
        .map_err(|e| unsupported(&e.to_string()))?;
    if !endian.is_little() {
        return Err(unsupported("big-endian"));
    }
    let ctx = Ctx::new(container, endian);
    let count = usize::from(header.e_phnum);
    let entry = if container == Container::Big { 56 } else { 32 };
    if count > HEADERS_CAP || usize::from(header.e_phentsize) != entry {
        return Err(unsupported("its program headers are out of bounds"));
    }
    let mut table = vec![0; count * entry];
    file.read_exact_at(&mut table, header.e_phoff)?;
    let headers =
        ProgramHeader::parse(&table, 0, count, ctx).map_err(|e| unsupported(&e.to_string()))?;
    debug_assert!(head.len() >= SIZEOF_IDENT);
    let segments: Vec<Segment> = headers
        .iter()
        .filter(|h| h.p_type == PT_LOAD && h.p_offset < size)
        .map(|h| Segment {
            address: h.p_paddr,
            len: h.p_filesz.min(size - h.p_offset),
            offset: h.p_offset,
        })
        .collect();
    if segments.is_empty() {
        return Err(unsupported("without any memory in it"));
    }
    Ok(segments)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;

    /// An ELF core with its memory behind the headers.
    pub(crate) fn core(machine: u16, pieces: &[(u64, &[u8])]) -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(16, 0);
        for half in [4u16, machine] {
            elf.extend(half.to_le_bytes());
        }
        elf.extend(1u32.to_le_bytes());
        for long in [0u64, 64, 0] {
            elf.extend(long.to_le_bytes());
        }
        elf.extend(0u32.to_le_bytes());
        for half in [64u16, 56, pieces.len() as u16, 64, 0, 0] {
            elf.extend(half.to_le_bytes());
        }
        let mut offset = 64 + 56 * pieces.len() as u64;
        for (address, bytes) in pieces {
            elf.extend(1u32.to_le_bytes());
            elf.extend(0u32.to_le_bytes());
            let len = bytes.len() as u64;
            for long in [offset, 0, *address, len, len, 0] {
                elf.extend(long.to_le_bytes());
            }
            offset += len;
        }
        for (_, bytes) in pieces {
            elf.extend(*bytes);
        }
        elf
    }

    fn parse(bytes: &[u8]) -> Result<Vec<Segment>, MemoryError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        segments(&file, bytes.len() as u64)
    }

    #[test]
    fn pieces_are_found_and_a_truncated_one_is_cut() {
        let core = core(EM_X86_64, &[(0, b"low"), (1 << 32, b"high")]);
        let found = parse(&core).unwrap();
        assert_eq!(found[1].address, 1 << 32);
        assert_eq!((found[1].len, found[1].offset), (4, 64 + 2 * 56 + 3));
        let cut = parse(&core[..core.len() - 2]).unwrap();
        assert_eq!(cut[1].len, 2);
    }

    #[test]
    fn other_elf_files_are_refused_with_a_reason() {
        let refused = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        let mut program = core(EM_X86_64, &[(0, b"x")]);
        program[16] = 2;
        assert_eq!(refused(&program), "an ELF file, but not a core dump");
        assert_eq!(
            refused(&core(8, &[(0, b"x")])),
            "an ELF file, but not of an x86-64 or arm64 machine"
        );
        assert_eq!(
            refused(&core(EM_X86_64, &[])),
            "an ELF file, but without any memory in it"
        );
        assert!(parse(b"\x7fELF").is_err());
    }
}
