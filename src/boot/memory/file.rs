//! Guest memory that lies in a file: a memfd, a saved copy, an ELF core, a process's memory.
//!
//! `pread` and not `mmap`: it needs no `unsafe`, a file that shrinks is an error and not a SIGBUS, and touching a hole of a memfd
//! through a mapping would *allocate* it (mm/shmem.c, `shmem_fault`), so that looking at a guest would use up its host's memory.

use super::{GuestMemory, MemoryError, PAGE};
use rustix::fs::SeekFrom;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// More pieces than any machine has; a fragmented file is read whole beyond this.
const PIECES_CAP: usize = 1 << 16;

/// A piece of guest RAM, and where the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Guest-physical address.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
    /// Offset in the file.
    pub offset: u64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.address.saturating_add(self.len)
    }
}

/// How to find the parts of the file that were ever written.
#[derive(Debug)]
pub enum Holes {
    /// `lseek(SEEK_DATA)`.
    Seek,
    /// `/proc/<pid>/pagemap` of the process whose memory the file is.
    Pagemap(File),
}

/// Guest memory in a file.
#[derive(Debug)]
pub struct FileMemory {
    file: File,
    holes: Holes,
    segments: Vec<Segment>,
    ranges: Vec<Range<u64>>,
}

impl FileMemory {
    /// Segments that overlap, or are empty, are dropped.
    pub fn new(file: File, mut segments: Vec<Segment>, holes: Holes) -> FileMemory {
        segments.retain(|s| {
            s.len > 0
                && s.address.checked_add(s.len).is_some()
                && s.offset.checked_add(s.len).is_some()
        });
        segments.sort_by_key(|s| s.address);
        let mut end = 0;
        segments.retain(|s| {
            let keep = s.address >= end;
            end = end.max(if keep { s.end() } else { 0 });
            keep
        });
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for segment in &segments {
            push(&mut ranges, segment.address..segment.end());
        }
        FileMemory {
            file,
            holes,
            segments,
            ranges,
        }
    }

    /// Where the pieces lie.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn segment(&self, address: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|s| s.address <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (address < segment.end()).then_some(segment)
    }
}

impl GuestMemory for FileMemory {
    fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    fn read_at(&self, mut address: u64, mut buf: &mut [u8]) -> Result<(), MemoryError> {
        while !buf.is_empty() {
            let segment = self
                .segment(address)
                .ok_or(MemoryError::NotRam { address })?;
            let left = segment.end() - address;
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
            let (part, rest) = buf.split_at_mut(here);
            self.file
                .read_exact_at(part, segment.offset + (address - segment.address))?;
            address += here as u64;
            buf = rest;
        }
        Ok(())
    }

    fn populated(&self) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        for segment in &self.segments {
            let offsets = segment.offset..segment.offset + segment.len;
            let parts = match &self.holes {
                Holes::Seek => data(&self.file, offsets),
                Holes::Pagemap(pagemap) => present(pagemap, offsets),
            };
            for part in parts {
                let shift = |offset: u64| segment.address + (offset - segment.offset);
                push(&mut found, shift(part.start)..shift(part.end));
            }
        }
        found
    }
}

/// Adds a range behind the others, joined when they touch.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The parts of a file that are not holes; all of it where the file system cannot tell.
fn data(file: &File, within: Range<u64>) -> Vec<Range<u64>> {
    let mut parts = Vec::new();
    let mut at = within.start;
    while at < within.end && parts.len() < PIECES_CAP {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Only a hole is left.
            Err(rustix::io::Errno::NXIO) => return parts,
            Err(_) => break,
        };
        if start < at || start >= within.end {
            return parts;
        }
        let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
            Ok(end) if end > start => end.min(within.end),
            _ => within.end,
        };
        parts.push(start..end);
        at = end;
    }
    if at < within.end {
        push(&mut parts, at..within.end);
    }
    parts
}

/// The parts of a process's memory that are present or swapped out (Documentation/admin-guide/mm/pagemap.rst: bits 63 and 62).
fn present(pagemap: &File, within: Range<u64>) -> Vec<Range<u64>> {
    const BATCH: u64 = 8192;
    let mut parts = Vec::new();
    let mut words = vec![0; BATCH as usize * 8];
    let mut page = within.start / PAGE;
    let last = within.end.div_ceil(PAGE);
    while page < last {
        let batch = BATCH.min(last - page);
        let buf = &mut words[..batch as usize * 8];
        if pagemap.read_exact_at(buf, page * 8).is_err() {
            push(&mut parts, (page * PAGE).max(within.start)..within.end);
            break;
        }
        for (n, word) in buf.chunks_exact(8).enumerate() {
            if word[7] & 0xc0 != 0 {
                let start = (page + n as u64) * PAGE;
                push(
                    &mut parts,
                    start.max(within.start)..(start + PAGE).min(within.end),
                );
            }
        }
        page += batch;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    fn segment(address: u64, len: u64, offset: u64) -> Segment {
        Segment {
            address,
            len,
            offset,
        }
    }

    #[test]
    fn reads_across_touching_segments_and_not_into_holes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1, 2, 3, 4, 5, 6]).unwrap();
        let memory = FileMemory::new(
            file,
            vec![
                segment(0x13, 3, 0),
                segment(0x10, 3, 3),
                segment(0x20, 9, 0),
            ],
            Holes::Seek,
        );
        assert_eq!(memory.ranges(), [0x10..0x16, 0x20..0x29]);
        let mut buf = [0; 6];
        memory.read_at(0x10, &mut buf).unwrap();
        assert_eq!(buf, [4, 5, 6, 1, 2, 3]);
        assert!(matches!(
            memory.read_at(0x11, &mut buf),
            Err(MemoryError::NotRam { address: 0x16 })
        ));
        // The file is shorter than it was said to be.
        assert!(matches!(
            memory.read_at(0x25, &mut buf[..3]),
            Err(MemoryError::Io(_))
        ));
    }

    #[test]
    fn overlapping_and_overflowing_segments_are_dropped() {
        let file = tempfile::tempfile().unwrap();
        let memory = FileMemory::new(
            file,
            vec![
                segment(0, 10, 0),
                segment(5, 10, 0),
                segment(u64::MAX, 2, 0),
                segment(20, 0, 0),
            ],
            Holes::Seek,
        );
        assert_eq!(memory.segments(), [segment(0, 10, 0)]);
    }

    #[test]
    fn holes_are_left_out() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(16 << 20).unwrap();
        file.seek(SeekFrom::Start(8 << 20)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        let memory = FileMemory::new(file, vec![segment(1 << 32, 16 << 20, 0)], Holes::Seek);
        let populated: u64 = memory.populated().iter().map(|r| r.end - r.start).sum();
        assert!((4096..16 << 20).contains(&populated), "{populated}");
        let at = (1 << 32) + (8 << 20);
        assert!(memory.populated().iter().any(|r| r.contains(&at)));
    }

    #[test]
    fn pagemap_words_tell_what_is_present() {
        let mut pagemap = tempfile::tempfile().unwrap();
        for word in [0, 1 << 63, 1 << 62, 0, 1u64 << 63] {
            pagemap.write_all(&word.to_le_bytes()).unwrap();
        }
        assert_eq!(
            present(&pagemap, 0..5 * PAGE),
            [PAGE..3 * PAGE, 4 * PAGE..5 * PAGE]
        );
        // Beyond the end of the file nothing is known.
        let beyond = 5 * PAGE..7 * PAGE;
        assert_eq!(
            present(&pagemap, beyond.clone()),
            std::slice::from_ref(&beyond)
        );
    }
}
