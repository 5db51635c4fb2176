//! One journal file: its header, its entries, their fields. Read like a file that may be torn, cut, or changing.

use super::entry::Entry;
use super::payload;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Header magic.
pub const MAGIC: &[u8; 8] = b"LPKSHHRH";

const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;
const OBJECT_TYPES: u8 = 7;
/// `HEADER_INCOMPATIBLE_COMPACT`: 32-bit offsets.
const COMPACT: u32 = 1 << 4;
const OBJECT_HEADER: u64 = 16;
const ENTRY_HEADER: u64 = 64;
/// Largest object read; only hash tables are larger, and they are stepped over.
const OBJECT_CAP: u64 = 4 << 20;
/// `ENTRY_FIELD_COUNT_MAX` is 1024.
const FIELDS_CAP: u64 = 1024;
/// Entries of one file at most; a boot has some thousand.
const ENTRIES_CAP: usize = 1 << 20;
/// Objects stepped over; a file of the default size limit (128 MiB) has about a million.
const OBJECTS_CAP: usize = 1 << 22;
/// Short payloads kept at hand: most are the same in many entries.
const CACHE_CAP: usize = 1 << 16;
const CACHED_LEN: usize = 1024;
/// What one reading of a file may take, so that objects which lie inside each other don't multiply: fields (and array items), payload bytes.
const ITEMS_CAP: u64 = 1 << 23;
const PAYLOAD_CAP: u64 = 256 << 20;

/// Random access to a journal file.
pub trait Bytes {
    /// Its size in bytes.
    fn size(&self) -> u64;
    /// Fills `buf` from `offset`. False when that is beyond the end, or not there.
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool;
}

impl Bytes for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool {
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buf.len())?));
        part.map(|part| buf.copy_from_slice(part)).is_some()
    }
}

/// A journal file that is being read.
pub struct Journal<B> {
    bytes: B,
    compact: bool,
    header_size: u64,
    cache: HashMap<u64, Arc<[u8]>>,
    items_left: u64,
    payload_left: u64,
}

/// The parts of the header that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of entries.
    pub entries: u64,
    /// Sequence number of the newest entry.
    pub tail_seqnum: u64,
    /// Offset of the newest object.
    pub tail_object: u64,
    /// Offset of the first array of entries.
    pub arrays: u64,
}

impl<B: Bytes> Journal<B> {
    /// Reads the header. `None` when this is no journal file.
    pub fn open(bytes: B) -> Option<Journal<B>> {
        let mut header = [0; 208];
        if !bytes.fill(0, &mut header) || !header.starts_with(MAGIC) {
            return None;
        }
        let incompatible = u32::from_le_bytes(header[12..16].try_into().ok()?);
        let header_size = long(&header, 88)?;
        if !(208..=4096).contains(&header_size) || !header_size.is_multiple_of(8) {
            return None;
        }
        Some(Journal {
            bytes,
            compact: incompatible & COMPACT != 0,
            header_size,
            cache: HashMap::new(),
            items_left: ITEMS_CAP,
            payload_left: PAYLOAD_CAP,
        })
    }

    /// The underlying bytes.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }

    /// Takes other bytes of the same file (it has grown).
    pub fn replace(&mut self, bytes: B) {
        self.bytes = bytes;
        self.items_left = ITEMS_CAP;
        self.payload_left = PAYLOAD_CAP;
    }

    /// How far the file is.
    pub fn progress(&self) -> Option<Progress> {
        let mut header = [0; 208];
        if !self.bytes.fill(0, &mut header) || !header.starts_with(MAGIC) {
            return None;
        }
        Some(Progress {
            entries: long(&header, 152)?,
            tail_seqnum: long(&header, 160)?,
            tail_object: long(&header, 136)?,
            arrays: long(&header, 176)?,
        })
    }

    /// All entries, by sequence number. Objects are walked one after another, and what a torn place hides is found through the arrays.
    pub fn entries(&mut self) -> Vec<Entry> {
        let mut offsets = BTreeSet::new();
        self.walk(self.header_size, &mut offsets);
        self.arrays(&mut offsets);
        self.read(offsets)
    }

    /// Entries from an object on: for a file that grows.
    pub fn entries_from(&mut self, object: u64) -> Vec<Entry> {
        let mut offsets = BTreeSet::new();
        self.walk(object, &mut offsets);
        self.read(offsets)
    }

    fn read(&mut self, offsets: BTreeSet<u64>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = offsets.into_iter().filter_map(|o| self.entry(o)).collect();
        entries.sort_by_key(|e| e.seqnum);
        entries
    }

    /// Notes the offset of every entry object, until objects end or make no sense.
    fn walk(&self, mut at: u64, offsets: &mut BTreeSet<u64>) {
        for _ in 0..OBJECTS_CAP {
            let Some((kind, size)) = self.object(at) else {
                return;
            };
            if kind == ENTRY && offsets.len() < ENTRIES_CAP {
                offsets.insert(at);
            }
            at = at.saturating_add(size);
        }
    }

    /// Follows the chain of entry arrays.
    fn arrays(&mut self, offsets: &mut BTreeSet<u64>) {
        let width = if self.compact { 4 } else { 8 };
        let Some(mut array) = self.progress().map(|p| p.arrays) else {
            return;
        };
        let mut last = 0;
        // Arrays are appended like all objects, so the next one always lies behind.
        while array > last {
            last = array;
            let Some((ENTRY_ARRAY, size)) = self.object(array) else {
                return;
            };
            let mut head = [0; 24];
            let len = size.min(OBJECT_CAP).saturating_sub(24);
            if !self.take(len / width as u64) {
                return;
            }
            let mut items = vec![0; len as usize];
            if !self.bytes.fill(array, &mut head) || !self.fill_partly(array + 24, &mut items) {
                return;
            }
            for item in items.chunks_exact(width) {
                let mut word = [0; 8];
                word[..width].copy_from_slice(item);
                let offset = u64::from_le_bytes(word);
                if offset != 0 && offsets.len() < ENTRIES_CAP {
                    offsets.insert(offset);
                }
            }
            array = long(&head, 16).unwrap_or(0);
        }
    }

    /// Takes from the number of items that may be looked at.
    fn take(&mut self, items: u64) -> bool {
        let left = self.items_left.checked_sub(items);
        self.items_left = left.unwrap_or(0);
        left.is_some()
    }

    /// Fills what is there, in pieces of a page; the rest stays zero.
    fn fill_partly(&self, offset: u64, buf: &mut [u8]) -> bool {
        if self.bytes.fill(offset, buf) {
            return true;
        }
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let here = (4096 - at % 4096).min(rest.len() as u64) as usize;
            let (part, behind) = rest.split_at_mut(here);
            if !self.bytes.fill(at, part) {
                part.fill(0);
            }
            at += here as u64;
            rest = behind;
        }
        true
    }

    /// Type and size (to the next object) of the object at an offset.
    fn object(&self, offset: u64) -> Option<(u8, u64)> {
        let mut head = [0; OBJECT_HEADER as usize];
        if !offset.is_multiple_of(8)
            || offset < self.header_size
            || !self.bytes.fill(offset, &mut head)
        {
            return None;
        }
        let size = long(&head, 8)?;
        let end = offset.checked_add(size)?;
        let sane = (1..=OBJECT_TYPES).contains(&head[0])
            && head[1] < 8
            && size >= OBJECT_HEADER
            && end <= self.bytes.size();
        sane.then_some((head[0], size.checked_next_multiple_of(8)?))
    }

    /// The entry at an offset.
    fn entry(&mut self, offset: u64) -> Option<Entry> {
        let (kind, size) = self.object(offset)?;
        if kind != ENTRY || size < ENTRY_HEADER {
            return None;
        }
        let mut head = [0; ENTRY_HEADER as usize];
        let width = if self.compact { 4 } else { 16 };
        let count = ((size - ENTRY_HEADER) / width).min(FIELDS_CAP);
        if !self.take(count) {
            return None;
        }
        let mut items = vec![0; (count * width) as usize];
        if !self.bytes.fill(offset, &mut head)
            || !self.bytes.fill(offset + ENTRY_HEADER, &mut items)
        {
            return None;
        }
        let mut entry = Entry {
            seqnum: long(&head, 16)?,
            realtime: long(&head, 24)?,
            monotonic: long(&head, 32)?,
            boot_id: head[40..56].try_into().ok()?,
            hash: long(&head, 56)?,
            fields: Vec::new(),
            lost: 0,
        };
        if entry.seqnum == 0 || entry.realtime == 0 {
            return None;
        }
        for item in items.chunks_exact(width as usize) {
            let mut word = [0; 8];
            let len = item.len().min(8);
            word[..len].copy_from_slice(&item[..len]);
            match u64::from_le_bytes(word) {
                // Compact entries are padded to a multiple of 8.
                0 => {}
                data => match self.data(data) {
                    Some(field) => entry.fields.push(field),
                    None => entry.lost += 1,
                },
            }
        }
        (!entry.fields.is_empty() || entry.lost > 0).then_some(entry)
    }

    /// The payload of the data object at an offset.
    fn data(&mut self, offset: u64) -> Option<Arc<[u8]>> {
        if let Some(known) = self.cache.get(&offset) {
            return Some(Arc::clone(known));
        }
        let mut head = [0; OBJECT_HEADER as usize];
        let (kind, _) = self.object(offset)?;
        if kind != DATA || !self.bytes.fill(offset, &mut head) {
            return None;
        }
        let payload_at: u64 = if self.compact { 72 } else { 64 };
        let len = long(&head, 8)?.checked_sub(payload_at)?;
        if len == 0 || len > OBJECT_CAP {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        if !self.bytes.fill(offset + payload_at, &mut bytes) {
            return None;
        }
        let field: Arc<[u8]> = payload::decode(head[1], bytes)?.into();
        if !is_field(&field) {
            return None;
        }
        self.payload_left = self.payload_left.checked_sub(field.len() as u64)?;
        if self.cache.len() < CACHE_CAP && field.len() <= CACHED_LEN {
            self.cache.insert(offset, Arc::clone(&field));
        }
        Some(field)
    }
}

/// `NAME=…`: upper case, digits and underscores (`journal_field_valid`); journald writes nothing else.
fn is_field(bytes: &[u8]) -> bool {
    let name = bytes
        .iter()
        .take(65)
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b'_')
        .count();
    name > 0 && bytes.get(name) == Some(&b'=')
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
