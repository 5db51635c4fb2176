//! A disk whose partition table is gone still holds its file systems: what tells it from a file that never was an image.

use super::content;
use crate::inspect::disk::{Disk, Slice};
use std::sync::Arc;

/// wic, parted and sgdisk start partitions at multiples of this.
const ALIGNMENT: u64 = 1 << 20;
/// A first partition lies in the first few MiB.
const LOOK: u64 = 64;
/// Where older tools put the first partition: right behind a GPT, or on the second track.
const UNALIGNED: &[u64] = &[34 * 512, 63 * 512];

/// Offset and type of the first file system found where a partition could have begun.
pub fn file_system(disk: &Arc<dyn Disk>) -> Option<(u64, String)> {
    let aligned = (1..=LOOK).map(|n| n * ALIGNMENT);
    UNALIGNED
        .iter()
        .copied()
        .chain(aligned)
        .take_while(|start| *start < disk.len())
        .find_map(|start| {
            let slice = Slice::new(disk, "", start, disk.len() - start);
            let fs_type = content::detect(&slice).fs_type?;
            Some((start, fs_type))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::disk::memory::MemoryDisk;

    #[test]
    fn a_file_system_is_found_where_a_partition_began() {
        let mut bytes = vec![0; 3 << 20];
        let disk = |bytes: &[u8]| -> Arc<dyn Disk> { Arc::new(MemoryDisk(bytes.to_vec())) };
        assert_eq!(file_system(&disk(&bytes)), None);
        bytes[2 << 20..][..4].copy_from_slice(b"hsqs");
        assert_eq!(
            file_system(&disk(&bytes)),
            Some((2 << 20, "squashfs".to_owned()))
        );
    }
}
