//! The image as bytes: one seam, *read exactly N bytes at an offset*.

use super::error::Result;

/// Random access to the bytes of an image or of one partition. Offsets are relative to its start.
pub trait Disk: Send + Sync {
    /// Size in bytes.
    fn len(&self) -> u64;
    /// True when the size is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `buf` from `offset`, or fails with the place that lies beyond the end.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;
}
