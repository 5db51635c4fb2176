//! ELF programs and libraries: machine, dynamic loader, needed libraries. Only the tables that say so are read.

use crate::inspect::error::Result;
use crate::inspect::filesystem::{FileSystem, OpenFile};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2MSB};
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP, PT_LOAD};
use goblin::elf::{Elf, ProgramHeader};

/// `ELF_MIN_ALIGN` (fs/binfmt_elf.c): the kernel takes no more program headers than fit into 64 KiB.
const HEADERS_CAP: usize = 64 << 10;
/// `PATH_MAX`: the longest interpreter the kernel takes.
const INTERPRETER_CAP: usize = 4096;
/// Dynamic sections have some forty entries of 16 bytes.
const DYNAMIC_CAP: usize = 64 << 10;
/// String tables of large libraries reach some hundred KiB.
const STRINGS_CAP: usize = 8 << 20;
/// More needed libraries than any program has.
const MAX_NEEDED: usize = 512;

/// elf(5), `d_tag`.
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// What the loaders need to know of an ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Machine, as `uname -m` spells it.
    pub machine: String,
    /// Program interpreter.
    pub interpreter: Option<String>,
    /// `DT_NEEDED`.
    pub needed: Vec<String>,
    /// `DT_RUNPATH` and `DT_RPATH`, as written.
    pub runpaths: Vec<String>,
}

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

/// Reads the tables of the file at a canonical path; none when they are damaged or lead beyond its end.
pub fn read(fs: &dyn FileSystem, path: &str) -> Result<Option<Program>> {
    let file = fs.open_file(path)?;
    let head = bytes(file.as_ref(), 0, 4096)?;
    let Some(tables) = Tables::read(file.as_ref(), &head)? else {
        return Ok(None);
    };
    let interpreter = match tables.segment(PT_INTERP) {
        Some(s) => match piece(
            file.as_ref(),
            &head,
            s.p_offset,
            s.p_filesz,
            INTERPRETER_CAP,
        )? {
            Some(text) => Some(until_nul(&text)),
            None => return Ok(None),
        },
        None => None,
    };
    let Some((needed, runpaths)) = tables.dynamic(file.as_ref(), &head)? else {
        return Ok(None);
    };
    Ok(Some(Program {
        machine: machine_name(tables.machine),
        interpreter,
        needed,
        runpaths,
    }))
}

struct Tables {
    machine: u16,
    ctx: Ctx,
    segments: Vec<ProgramHeader>,
}

impl Tables {
    fn read(file: &dyn OpenFile, head: &[u8]) -> Result<Option<Tables>> {
        let Ok(header) = Elf::parse_header(head) else {
            return Ok(None);
        };
        let container = match header.e_ident.get(EI_CLASS) {
            Some(&ELFCLASS64) => Container::Big,
            _ => Container::Little,
        };
        let endian = match header.e_ident.get(EI_DATA) {
            Some(&ELFDATA2MSB) => Endian::Big,
            _ => Endian::Little,
        };
        let ctx = Ctx::new(container, endian);
        let size = u64::from(header.e_phnum) * ProgramHeader::size(ctx) as u64;
        let Some(raw) = piece(file, head, header.e_phoff, size, HEADERS_CAP)? else {
            return Ok(None);
        };
        let Ok(segments) = ProgramHeader::parse(&raw, 0, usize::from(header.e_phnum), ctx) else {
            return Ok(None);
        };
        // A truncated program is mapped all the same and dies at the first page that is not there.
        let whole = segments
            .iter()
            .filter(|s| s.p_type == PT_LOAD)
            .all(|s| s.p_offset.saturating_add(s.p_filesz) <= file.size());
        Ok(whole.then_some(Tables {
            machine: header.e_machine,
            ctx,
            segments,
        }))
    }

    fn segment(&self, kind: u32) -> Option<&ProgramHeader> {
        self.segments.iter().find(|s| s.p_type == kind)
    }

    /// Offset in the file of a virtual address.
    fn offset(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|s| {
            s.p_type == PT_LOAD && address >= s.p_vaddr && address - s.p_vaddr < s.p_filesz
        })?;
        segment.p_offset.checked_add(address - segment.p_vaddr)
    }

    /// Needed libraries and run paths; none when the tables are damaged.
    fn dynamic(
        &self,
        file: &dyn OpenFile,
        head: &[u8],
    ) -> Result<Option<(Vec<String>, Vec<String>)>> {
        let Some(segment) = self.segment(PT_DYNAMIC) else {
            return Ok(Some((Vec::new(), Vec::new())));
        };
        let Some(raw) = piece(file, head, segment.p_offset, segment.p_filesz, DYNAMIC_CAP)? else {
            return Ok(None);
        };
        let entries = self.entries(&raw);
        let value = |tag: u64| entries.iter().find(|(t, _)| *t == tag).map(|(_, v)| *v);
        let (Some(at), Some(len)) = (
            value(DT_STRTAB).and_then(|a| self.offset(a)),
            value(DT_STRSZ),
        ) else {
            return Ok(Some((Vec::new(), Vec::new())));
        };
        let Some(strings) = piece(file, head, at, len, STRINGS_CAP)? else {
            return Ok(None);
        };
        let text = |tags: &[u64]| -> Vec<String> {
            entries
                .iter()
                .filter(|(tag, _)| tags.contains(tag))
                .take(MAX_NEEDED)
                .filter_map(|(_, at)| Some(until_nul(strings.get(usize::try_from(*at).ok()?..)?)))
                .collect()
        };
        Ok(Some((text(&[DT_NEEDED]), text(&[DT_RUNPATH, DT_RPATH]))))
    }

    /// `(d_tag, d_val)` up to `DT_NULL`.
    fn entries(&self, raw: &[u8]) -> Vec<(u64, u64)> {
        let width = if self.ctx.container.is_big() { 8 } else { 4 };
        let little = self.ctx.le.is_little();
        let number = |bytes: &[u8]| {
            let fold = |n: u64, b: &u8| n << 8 | u64::from(*b);
            if little {
                bytes.iter().rev().fold(0, fold)
            } else {
                bytes.iter().fold(0, fold)
            }
        };
        raw.chunks_exact(width * 2)
            .map(|entry| (number(&entry[..width]), number(&entry[width..])))
            .take_while(|(tag, _)| *tag != 0)
            .collect()
    }
}

/// At most `len` bytes; fewer at the end of the file.
fn bytes(file: &dyn OpenFile, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; len];
    let read = file.read_into(offset, &mut out)?;
    out.truncate(read);
    Ok(out)
}

/// Exactly `len` bytes, from the head when they are there; none when they are too many or lie beyond the end.
fn piece(
    file: &dyn OpenFile,
    head: &[u8],
    offset: u64,
    len: u64,
    cap: usize,
) -> Result<Option<Vec<u8>>> {
    let (Ok(start), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) else {
        return Ok(None);
    };
    if len > cap || offset.saturating_add(len as u64) > file.size() {
        return Ok(None);
    }
    if let Some(found) = start.checked_add(len).and_then(|end| head.get(start..end)) {
        return Ok(Some(found.to_vec()));
    }
    let found = bytes(file, offset, len)?;
    Ok((found.len() == len).then_some(found))
}

fn until_nul(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;

    /// A 64-bit program with interpreter `/ld`, library `libx.so` and run path `/opt`.
    pub fn program() -> Vec<u8> {
        let mut b = vec![0u8; 512];
        b[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        let put = |b: &mut Vec<u8>, at: usize, bytes: &[u8]| {
            b[at..at + bytes.len()].copy_from_slice(bytes)
        };
        put(&mut b, 16, &3u16.to_le_bytes());
        put(&mut b, 18, &62u16.to_le_bytes());
        put(&mut b, 32, &64u64.to_le_bytes());
        put(&mut b, 54, &56u16.to_le_bytes());
        put(&mut b, 56, &3u16.to_le_bytes());
        for (i, (kind, at, len)) in [(1u32, 0u64, 512u64), (3, 300, 4), (2, 320, 80)]
            .iter()
            .enumerate()
        {
            let p = 64 + i * 56;
            put(&mut b, p, &kind.to_le_bytes());
            put(&mut b, p + 8, &at.to_le_bytes());
            put(&mut b, p + 16, &at.to_le_bytes());
            put(&mut b, p + 32, &len.to_le_bytes());
        }
        put(&mut b, 300, b"/ld\0");
        for (i, (tag, value)) in [(5u64, 420u64), (10, 20), (1, 1), (29, 9), (0, 0)]
            .iter()
            .enumerate()
        {
            put(&mut b, 320 + i * 16, &tag.to_le_bytes());
            put(&mut b, 328 + i * 16, &value.to_le_bytes());
        }
        put(&mut b, 420, b"\0libx.so\0/opt\0");
        b
    }

    fn read_bytes(content: &[u8]) -> Option<Program> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), content).unwrap();
        read(&DirectoryFs::new(dir.path(), "root"), "/a").unwrap()
    }

    #[test]
    fn tables_of_a_program() {
        assert_eq!(
            read_bytes(&program()),
            Some(Program {
                machine: "x86_64".into(),
                interpreter: Some("/ld".into()),
                needed: vec!["libx.so".into()],
                runpaths: vec!["/opt".into()],
            })
        );
    }

    #[test]
    fn damage_is_no_program_and_no_panic() {
        let whole = program();
        for len in 0..whole.len() {
            assert_eq!(read_bytes(&whole[..len]), None, "{len}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                read_bytes(&broken);
            }
        }
    }
}
