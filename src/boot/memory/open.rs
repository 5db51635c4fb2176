//! Guest memory saved to a file elsewhere: raw (`pmemsave`, a copied memfd) or an ELF core (`dump-guest-memory`).

use super::file::{FileMemory, Holes, Segment};
use super::layout::Layout;
use super::printk::log::{Log, open as open_log};
use super::vmcoreinfo::{self, VmCoreInfo};
use super::{GuestMemory, MemoryError, elf};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// First bytes of files that hold guest memory in a form that is not read here, and what to do instead.
const OTHERS: &[(&[u8], &str)] = &[
    (b"KDUMP   ", KDUMP),
    (b"DISKDUMP", KDUMP),
    (b"makedumpfile\0", KDUMP),
    (
        b"QEVM",
        "a QEMU migration stream (savevm, migrate): take the memory with dump-guest-memory instead",
    ),
    (
        b"LibvirtQemudSave",
        "a libvirt save file: take the memory with `virsh dump --memory-only` instead",
    ),
    (b"QFI\xfb", "a qcow2 image, not guest memory"),
    (b"\x1f\x8b", "compressed with gzip: decompress it first"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd: decompress it first",
    ),
    (b"\xfd7zXZ\0", "compressed with xz: decompress it first"),
];
const KDUMP: &str = "a kdump-compressed dump: write it without compression (dump-guest-memory without -z, -l or -s; `virsh dump --memory-only --format elf`)";

/// How the file was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ELF core.
    Elf,
    /// Raw, mapped by this rule.
    Raw(Layout),
}

/// Opens a file that holds guest memory. The layout of a raw one is the one that its kernel fits.
pub fn open(path: &Path) -> Result<(Arc<dyn GuestMemory>, Form), MemoryError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(MemoryError::Unsupported("a directory".into()));
    }
    let size = metadata.len();
    let mut head = [0; 16];
    let read = file.read_at(&mut head, 0)?;
    if read == 0 {
        return Err(MemoryError::Unsupported("an empty file".into()));
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(MemoryError::Unsupported((*what).to_owned()));
    }
    if head.starts_with(b"\x7fELF") {
        let segments = elf::segments(&file, size)?;
        let memory = FileMemory::new(file, segments, Holes::Seek);
        return Ok((Arc::new(memory), Form::Elf));
    }
    let layout = guess(&file, size)?;
    let memory = FileMemory::new(file, layout.segments(size), Holes::Seek);
    Ok((Arc::new(memory), Form::Raw(layout)))
}

/// The layout under which a kernel's structures are where its pointers say. Notes are searched once: they are the same bytes in all.
fn guess(file: &File, size: u64) -> Result<Layout, MemoryError> {
    let whole = Layout::Flat.segments(size);
    let notes = vmcoreinfo::find(&FileMemory::new(file.try_clone()?, whole, Holes::Seek));
    let mut best = (0, Layout::Flat);
    for layout in Layout::ALL {
        let segments = layout.segments(size);
        let memory: Arc<dyn GuestMemory> = Arc::new(FileMemory::new(
            file.try_clone()?,
            segments.clone(),
            Holes::Seek,
        ));
        for note in &notes {
            let mut note = note.clone();
            let Some(address) = address(&segments, note.address) else {
                continue;
            };
            note.address = address;
            let score = score(&memory, note);
            if score > best.0 {
                best = (score, layout);
            }
        }
    }
    Ok(best.1)
}

fn address(segments: &[Segment], offset: u64) -> Option<u64> {
    let inside = |s: &&Segment| (s.offset..s.offset + s.len).contains(&offset);
    let segment = segments.iter().find(inside)?;
    Some(segment.address + (offset - segment.offset))
}

/// 0: nothing fits; 1: the log does; 2: the memory node does, too, which lies at the top of memory.
fn score(memory: &Arc<dyn GuestMemory>, note: VmCoreInfo) -> u8 {
    let Ok(log) = open_log(memory, note) else {
        return 0;
    };
    match node_end(&log) {
        Some(end)
            if memory
                .ranges()
                .last()
                .is_some_and(|r| r.contains(&(end - 1))) =>
        {
            2
        }
        _ => 1,
    }
}

/// End of the first memory node (`struct pglist_data`).
fn node_end(log: &Log) -> Option<u64> {
    let info = &log.info;
    let node = match info.symbol("node_data") {
        Some(nodes) => log.space.read_u64(nodes).ok()?,
        None => info.symbol("contig_page_data")?,
    };
    let field = |name: &str| {
        let offset = info.offset(&format!("pglist_data.{name}"))?;
        log.space.read_u64(node.wrapping_add(offset)).ok()
    };
    // `int node_id`, with padding or another field behind it.
    if field("node_id")? & 0xffff_ffff != 0 {
        return None;
    }
    let page = info.get("PAGESIZE")?.parse::<u64>().ok()?;
    let end = field("node_start_pfn")?.checked_add(field("node_spanned_pages")?)?;
    end.checked_mul(page).filter(|end| *end > 0)
}
