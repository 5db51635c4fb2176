//! One entry of a journal.

use std::sync::Arc;

/// What one entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Sequence number in its file's line of files.
    pub seqnum: u64,
    /// Microseconds since 1970, when journald received it.
    pub realtime: u64,
    /// Microseconds of the monotonic clock, when journald received it.
    pub monotonic: u64,
    /// Boot.
    pub boot_id: [u8; 16],
    /// Hash over its fields: the same in every file that holds this entry.
    pub hash: u64,
    /// `NAME=value`, raw.
    pub fields: Vec<Arc<[u8]>>,
    /// Fields that could not be read.
    pub lost: u32,
}

impl Entry {
    /// The value of a field (the first, when there are several).
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find_map(|field| {
            field
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
        })
    }

    /// The value as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// What two copies of an entry, in two files, have in common.
    pub fn identity(&self) -> ([u8; 16], u64, u64, u64) {
        (self.boot_id, self.monotonic, self.realtime, self.hash)
    }
}
