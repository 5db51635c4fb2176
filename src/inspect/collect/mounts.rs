//! Partitions of the disk that fstab mounts below the root.

use crate::inspect::filesystem::FileSystem;
use crate::inspect::filesystem::mounted::Mounted;
use crate::inspect::fstab::{DeviceMatch, FstabEntry};
use crate::inspect::partitions::Partition;
use crate::inspect::rootfs::Mount;
use crate::inspect::volumes::Volumes;
use std::sync::Arc;

/// The mounts of fstab that name another partition of this disk which can be read.
pub fn of(entries: &[FstabEntry], root: &Partition, volumes: &Volumes) -> Vec<Mount> {
    entries
        .iter()
        .filter(|entry| !entry.options.iter().any(|o| o == "noauto"))
        .filter_map(|entry| {
            let DeviceMatch::Partition(id) = &entry.device else {
                return None;
            };
            let point = entry.mount_point.trim_end_matches('/');
            let below = point.starts_with('/') && *id != root.id && volumes.open(id).is_ok();
            below.then(|| Mount {
                point: point.to_owned(),
                partition: id.clone(),
            })
        })
        .collect()
}

/// The tree that the booted system sees.
pub fn tree(
    root: &Arc<dyn FileSystem>,
    mounts: &[Mount],
    volumes: &Volumes,
) -> Arc<dyn FileSystem> {
    let opened: Vec<_> = mounts
        .iter()
        .filter_map(|mount| Some((mount.point.clone(), volumes.open(&mount.partition).ok()?)))
        .collect();
    if opened.is_empty() {
        return Arc::clone(root);
    }
    Arc::new(Mounted::new(Arc::clone(root), opened))
}
