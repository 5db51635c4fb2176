//! Reads of the image, told as file names.
//!
//! QEMU's trace gives an offset for every read of a guest disk; the image's own file systems say which file lies there. Reads come
//! ahead of use (read-ahead touches the neighbours' first and last blocks too) and not at all for what is cached already. A file is told once
//! when its first byte is read; a large one, or one of the ESP, also when all of it has been read: so a loader reads a kernel.

use crate::boot::channel::Emitter;
use crate::boot::timeline::{Event, Source};
use crate::boot::trace::TraceEvent;
use crate::inspect::filesystem::DiskRange;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// Files told per boot; a whole boot reads some thousand.
const FILES_CAP: usize = 100_000;
/// Files of this size are told again when they were read to the end: kernels and initrds, and few others.
const LARGE: u64 = 4 << 20;
/// Reads kept while the map is still being made.
const EARLY_CAP: usize = 100_000;

/// Which file lies where on the image.
#[derive(Debug, Default)]
pub struct FileMap {
    files: Vec<MappedFile>,
    /// Sorted by start.
    ranges: Vec<(DiskRange, u32)>,
}

#[derive(Debug)]
struct MappedFile {
    partition: String,
    path: String,
    /// One past the last byte in the file that has a place on the image.
    end: u64,
    /// Told again when it was read to its end.
    told_whole: bool,
}

impl FileMap {
    /// Adds a range of a file. All ranges of one file come one after the other.
    pub fn add(&mut self, partition: &str, path: &str, range: DiskRange) {
        let end = range.file_offset.saturating_add(range.len);
        match self.files.last_mut() {
            Some(last) if last.path == path && last.partition == partition => {
                last.end = last.end.max(end);
            }
            _ => self.files.push(MappedFile {
                partition: partition.to_owned(),
                path: path.to_owned(),
                end,
                told_whole: false,
            }),
        }
        if let (false, Ok(file)) = (range.len == 0, u32::try_from(self.files.len() - 1)) {
            self.ranges.push((range, file));
        }
    }

    /// Corrects where the files of a partition end, from their sizes.
    pub fn trim(&mut self, partition: &str, size: impl Fn(&str) -> Option<u64>) {
        for file in self.files.iter_mut().filter(|f| f.partition == partition) {
            if let Some(size) = size(&file.path).filter(|size| *size > 0) {
                file.end = file.end.min(size);
                file.told_whole = true;
            }
        }
    }

    /// To be called after the last `add`.
    pub fn finish(&mut self) {
        self.ranges.sort_by_key(|(range, _)| range.start);
        for file in &mut self.files {
            file.told_whole |= file.end >= LARGE;
        }
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// No file is known.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Files in `start..start+len` of the image: file, and bytes of it in that range.
    fn overlaps(&self, start: u64, len: u64) -> impl Iterator<Item = (u32, u64)> + '_ {
        let end = start.saturating_add(len);
        // Ranges of one image do not overlap each other, so only the last one that starts before can reach in.
        let first = self
            .ranges
            .partition_point(|(range, _)| range.start <= start)
            .saturating_sub(1);
        self.ranges[first..]
            .iter()
            .take_while(move |(range, _)| range.start < end)
            .filter_map(move |(range, file)| {
                let from = range.start.max(start);
                let to = range.start.saturating_add(range.len).min(end);
                let bytes = to.checked_sub(from).filter(|b| *b > 0)?;
                Some((*file, bytes))
            })
    }
}

/// Turns trace events of the guest's disk into observations.
#[derive(Debug)]
pub struct DiskReads {
    image: String,
    /// Block nodes through which the guest reads the image: the image itself and its snapshot overlay.
    nodes: HashSet<u64>,
    /// The node opened last was the image or its overlay, so the next overlay is the image's.
    last_was_image: bool,
    /// Made on a thread of its own while the machine starts.
    map: Arc<OnceLock<FileMap>>,
    early: Vec<(f64, bool, u64, u64)>,
    seen: Vec<Seen>,
    told: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    bytes: u64,
    read: bool,
    whole: bool,
    written: bool,
}

impl DiskReads {
    /// Watches the disk whose file QEMU opens as `image`; reads that come before the map is ready are kept.
    pub fn new(image: String, map: Arc<OnceLock<FileMap>>) -> DiskReads {
        DiskReads {
            image,
            nodes: HashSet::new(),
            last_was_image: false,
            map,
            early: Vec::new(),
            seen: Vec::new(),
            told: 0,
        }
    }

    /// Takes one event.
    pub fn take(&mut self, t: f64, event: &TraceEvent<'_>, emitter: &Emitter) {
        match *event {
            TraceEvent::Open {
                node,
                filename,
                format,
            } => self.opened(node, filename, format),
            TraceEvent::Read { node, offset, len } if self.nodes.contains(&node) => {
                self.access(t, false, offset, len, emitter);
            }
            TraceEvent::Write { node, offset, len } if self.nodes.contains(&node) => {
                self.access(t, true, offset, len, emitter);
            }
            _ => {}
        }
    }

    /// With `snapshot=on` QEMU opens the image, and right after it a temporary overlay `vl.XXXXXX` on top of it,
    /// which is the node the guest reads.
    fn opened(&mut self, node: u64, filename: &str, format: &str) {
        // A pointer can be used again for another node.
        self.nodes.remove(&node);
        if filename == self.image {
            self.last_was_image = true;
            if format != "file" && format != "host_device" {
                self.nodes.insert(node);
            }
        } else if self.last_was_image && filename.contains("/vl.") {
            if format == "qcow2" {
                self.nodes.insert(node);
            }
        } else {
            self.last_was_image = false;
        }
    }

    fn access(&mut self, t: f64, write: bool, offset: u64, len: u64, emitter: &Emitter) {
        let Some(map) = self.map.get() else {
            if self.early.len() < EARLY_CAP {
                self.early.push((t, write, offset, len));
            }
            return;
        };
        if self.seen.len() < map.len() {
            self.seen.resize(map.len(), Seen::default());
        }
        for (t, write, offset, len) in std::mem::take(&mut self.early) {
            self.told_access(t, write, offset, len, emitter);
        }
        self.told_access(t, write, offset, len, emitter);
    }

    fn told_access(&mut self, t: f64, write: bool, offset: u64, len: u64, emitter: &Emitter) {
        let map = Arc::clone(&self.map);
        let Some(map) = map.get() else { return };
        for (file, bytes) in map.overlaps(offset, len) {
            let seen = &mut self.seen[file as usize];
            let entry = &map.files[file as usize];
            let event = if write {
                if std::mem::replace(&mut seen.written, true) {
                    continue;
                }
                Event::DiskWrite {
                    partition: entry.partition.clone(),
                    path: entry.path.clone(),
                }
            } else {
                seen.bytes += bytes;
                let first = !std::mem::replace(&mut seen.read, true);
                let whole = entry.told_whole
                    && seen.bytes >= entry.end
                    && !std::mem::replace(&mut seen.whole, true);
                if !first && !whole {
                    continue;
                }
                Event::DiskRead {
                    partition: entry.partition.clone(),
                    path: entry.path.clone(),
                    bytes: seen.bytes,
                    whole,
                }
            };
            self.told += 1;
            if self.told <= FILES_CAP {
                emitter.emit_at(t, Source::Disk, event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::channel::{Clock, Message};
    use std::sync::mpsc::channel;

    fn range(start: u64, len: u64, file_offset: u64) -> DiskRange {
        DiskRange {
            start,
            len,
            file_offset,
        }
    }

    #[test]
    fn reads_become_files_once_at_first_byte_and_when_complete() {
        let mut map = FileMap::default();
        map.add("p1", "/vmlinuz", range(4096, 4096, 0));
        map.add("p1", "/vmlinuz", range(16384, 1000, 4096));
        map.add("p2", "/etc/fstab", range(8192, 100, 0));
        map.trim("p1", |_| Some(5096));
        map.finish();
        let shared = Arc::new(OnceLock::new());
        let mut reads = DiskReads::new("/i/x.wic".into(), Arc::clone(&shared));
        let (sender, receiver) = channel();
        let emitter = Emitter::new(Clock::start(), sender);
        let open = |node, filename, format| TraceEvent::Open {
            node,
            filename,
            format,
        };
        let read = |node, offset, len| TraceEvent::Read { node, offset, len };
        for event in [
            open(1, "/fw/CODE.fd", "raw"),
            open(2, "/i/x.wic", "file"),
            open(3, "/i/x.wic", "raw"),
            open(4, "/tmp/vl.AAAAAA", "file"),
            open(5, "/tmp/vl.AAAAAA", "qcow2"),
            open(6, "/i/other.qcow2", "qcow2"),
            open(7, "/tmp/vl.BBBBBB", "qcow2"),
            // Firmware flash, another disk, and then the image before the map is there.
            read(1, 4096, 512),
            read(7, 4096, 512),
            read(5, 4096, 512),
        ] {
            reads.take(1.0, &event, &emitter);
        }
        shared.set(map).unwrap();
        reads.take(2.0, &read(5, 4608, 8192), &emitter);
        reads.take(3.0, &read(5, 16384, 4096), &emitter);
        reads.take(4.0, &read(5, 16384, 4096), &emitter);
        drop(emitter);
        let seen: Vec<(f64, String, u64, bool)> = receiver
            .iter()
            .filter_map(|m| match m {
                Message::Seen(o) => match o.event {
                    Event::DiskRead {
                        path, bytes, whole, ..
                    } => Some((o.t, path, bytes, whole)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1.0, "/vmlinuz".into(), 512, false),
                (2.0, "/etc/fstab".into(), 100, false),
                (3.0, "/vmlinuz".into(), 5096, true),
            ]
        );
    }
}
