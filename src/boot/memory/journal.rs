//! systemd's journal: files as they lie in guest memory, in an image, or on the host
//! (<https://systemd.io/JOURNAL_FILE_FORMAT/>, src/libsystemd/sd-journal/journal-def.h).

pub mod entry;
#[cfg(test)]
pub(crate) mod fake;
pub mod file;
pub mod follow;
pub mod image;
pub mod payload;
pub mod scan;
#[cfg(test)]
mod tests;

pub use entry::Entry;
pub use file::{Bytes, Journal};
pub use follow::{JournalFollower, Recovered, Stats, recover};
