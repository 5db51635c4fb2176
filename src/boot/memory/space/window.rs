//! Virtual ranges that are read often.

use super::{Mapped, Space};
use crate::boot::memory::{GuestMemory, MemoryError};
use std::sync::Arc;

/// A virtual range whose translation is known: read again and again without walking page tables. For what is never mapped anew:
/// the kernel image and the direct map.
#[derive(Clone)]
pub struct Window {
    memory: Arc<dyn GuestMemory>,
    /// Offset in the window, and what is there; ascending.
    pieces: Vec<(u64, Mapped)>,
    len: u64,
}

impl Space {
    /// A window of `len` bytes. `None` when a part of it is not mapped.
    pub fn window(&self, address: u64, len: u64) -> Option<Window> {
        let mut pieces: Vec<(u64, Mapped)> = Vec::new();
        let mut at = 0;
        while at < len {
            let mut mapped = self.translate(address.checked_add(at)?)?;
            mapped.left = mapped.left.min(len - at);
            at += mapped.left;
            match pieces.last_mut() {
                Some((_, last)) if last.address.checked_add(last.left)? == mapped.address => {
                    last.left += mapped.left;
                }
                _ => pieces.push((at - mapped.left, mapped)),
            }
        }
        Some(Window {
            memory: Arc::clone(&self.memory),
            pieces,
            len,
        })
    }
}

impl Window {
    /// Fills `buf` from an offset in the window.
    pub fn read(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), MemoryError> {
        let outside = MemoryError::NotRam { address: offset };
        if offset
            .checked_add(buf.len() as u64)
            .is_none_or(|end| end > self.len)
        {
            return Err(outside);
        }
        let mut index = self.pieces.partition_point(|(start, _)| *start <= offset);
        while !buf.is_empty() {
            let Some((start, mapped)) = index.checked_sub(1).and_then(|n| self.pieces.get(n))
            else {
                return Err(outside);
            };
            let inside = offset - start;
            let left = usize::try_from(mapped.left - inside).unwrap_or(usize::MAX);
            let (part, rest) = buf.split_at_mut(left.min(buf.len()));
            self.memory
                .read_at(mapped.address.wrapping_add(inside), part)?;
            offset += part.len() as u64;
            buf = rest;
            index += 1;
        }
        Ok(())
    }

    /// A little-endian 64-bit word.
    pub fn read_u64(&self, offset: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.read(offset, &mut word).ok()?;
        Some(u64::from_le_bytes(word))
    }
}
