//! Guest memory: its layout, the kernel log and the journal inside it.
//!
//! Guest RAM is hostile input that may change while it is read: every pointer is looked up, every length is capped,
//! and what was read is checked again afterwards.

pub mod elf;
pub mod file;
pub mod journal;
pub mod layout;
pub mod open;
pub mod page_cache;
pub mod printk;
pub mod process;
pub mod space;
pub mod vmcoreinfo;

use std::ops::Range;

/// Pages are at least this large on every architecture that is read here.
pub const PAGE: u64 = 4096;

/// Why guest memory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// No RAM there.
    #[error("guest-physical {address:#x} is not RAM")]
    NotRam {
        /// Guest-physical address.
        address: u64,
    },
    /// The host could not read it.
    #[error("cannot read guest memory: {0}")]
    Io(#[from] std::io::Error),
    /// Not a file that holds guest memory in a form that can be read here.
    #[error("{0}")]
    Unsupported(String),
}

/// Guest-physical memory.
pub trait GuestMemory: Send + Sync {
    /// RAM by guest-physical address, ascending, not touching each other.
    fn ranges(&self) -> &[Range<u64>];

    /// Fills `buf` from a guest-physical address. A range that leaves RAM is an error.
    fn read_at(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError>;

    /// The parts of [`GuestMemory::ranges`] that can hold anything but zeros. Never touched RAM is left out where the host tells.
    fn populated(&self) -> Vec<Range<u64>> {
        self.ranges().to_vec()
    }

    /// A little-endian 64-bit word.
    fn read_u64(&self, address: u64) -> Result<u64, MemoryError> {
        let mut word = [0; 8];
        self.read_at(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Guest memory made of bytes, from guest-physical `base`.
    pub(crate) struct Bytes {
        pub(crate) bytes: Vec<u8>,
        range: Range<u64>,
    }

    impl Bytes {
        pub(crate) fn new(base: u64, bytes: Vec<u8>) -> Bytes {
            let range = base..base + bytes.len() as u64;
            Bytes { bytes, range }
        }
    }

    impl GuestMemory for Bytes {
        fn ranges(&self) -> &[Range<u64>] {
            std::slice::from_ref(&self.range)
        }
        fn read_at(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            let start = address.checked_sub(self.range.start);
            let part = start.and_then(|start| {
                let start = usize::try_from(start).ok()?;
                self.bytes.get(start..start.checked_add(buf.len())?)
            });
            buf.copy_from_slice(part.ok_or(MemoryError::NotRam { address })?);
            Ok(())
        }
    }
}
