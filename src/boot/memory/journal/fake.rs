//! Writes journal files as journald does (src/libsystemd/sd-journal/journal-file.c), as far as reading needs it.

use super::file::MAGIC;

const HEADER: u64 = 272;

/// A journal file under construction.
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    compact: bool,
    entries: Vec<u64>,
}

impl Writer {
    pub(crate) fn new(compact: bool) -> Writer {
        let mut writer = Writer {
            bytes: vec![0; HEADER as usize],
            compact,
            entries: Vec::new(),
        };
        writer.put(0, MAGIC);
        let flags: u32 = 8 | 4 | if compact { 16 } else { 0 };
        writer.put(12, &flags.to_le_bytes());
        writer.long(88, HEADER);
        writer
    }

    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn long(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn object(&mut self, kind: u8, flags: u8, rest: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend((16 + rest.len() as u64).to_le_bytes());
        self.bytes.extend(rest);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.long(136, at);
        at
    }

    /// A data object.
    pub(crate) fn data(&mut self, flags: u8, payload: &[u8]) -> u64 {
        let mut rest = vec![0; if self.compact { 56 } else { 48 }];
        rest.extend(payload);
        self.object(1, flags, &rest)
    }

    /// An entry with these data objects.
    pub(crate) fn link(&mut self, data: &[u64]) -> u64 {
        let seqnum = self.entries.len() as u64 + 1;
        let mut rest = Vec::new();
        for long in [seqnum, 1_700_000_000_000_000 + seqnum, seqnum * 1000] {
            rest.extend(long.to_le_bytes());
        }
        rest.extend([7; 16]);
        rest.extend((seqnum * 31).to_le_bytes());
        for offset in data {
            if self.compact {
                rest.extend((*offset as u32).to_le_bytes());
            } else {
                rest.extend(offset.to_le_bytes());
                rest.extend([0; 8]);
            }
        }
        if self.compact && data.len() % 2 == 1 {
            rest.extend([0; 4]);
        }
        let at = self.object(3, 0, &rest);
        self.entries.push(at);
        self.long(152, seqnum);
        self.long(160, seqnum);
        at
    }

    /// An entry with these fields.
    pub(crate) fn entry(&mut self, fields: &[&str]) -> u64 {
        let data: Vec<u64> = fields.iter().map(|f| self.data(0, f.as_bytes())).collect();
        self.link(&data)
    }

    /// Writes the entry arrays, two entries each, and gives the file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let mut before = 168 + 8;
        for pair in self.entries.clone().chunks(2) {
            let mut rest = vec![0; 8];
            for offset in pair {
                if self.compact {
                    rest.extend((*offset as u32).to_le_bytes());
                } else {
                    rest.extend(offset.to_le_bytes());
                }
            }
            let at = self.object(6, 0, &rest);
            self.long(before, at);
            before = at + 16;
        }
        self.bytes
    }
}
