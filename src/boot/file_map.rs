//! Which file lies where on the image: made from the image's own file systems before it boots.

use super::observe::disk_reads::FileMap;
use crate::inspect::filesystem::{DiskRange, FileSystem};
use crate::inspect::{disk, filesystem, partitions};
use std::path::Path;
use std::sync::Arc;

/// Files told per partition; a Debian image has some ten thousand.
const RANGES_CAP: usize = 4_000_000;
/// Sectors of the primary partition table: MBR, header and 128 entries (UEFI 2.10, 5.3).
const TABLE: u64 = 34 * 512;

/// The map of an image. What cannot be read is left out: the reads there stay nameless.
pub fn build(image: &Path) -> FileMap {
    let mut map = FileMap::default();
    let Ok(disk) = disk::open(image) else {
        return map;
    };
    map.add(
        "image",
        "<partition table>",
        DiskRange {
            start: 0,
            len: TABLE,
            file_offset: 0,
        },
    );
    let Ok(table) = partitions::read(&disk) else {
        map.finish();
        return map;
    };
    for partition in &table.partitions {
        if let Ok(fs) = filesystem::open(&disk, partition) {
            add(&mut map, &fs);
        }
    }
    map.finish();
    map
}

fn add(map: &mut FileMap, fs: &Arc<dyn FileSystem>) {
    let mut ranges = 0;
    // A damaged tree is told as far as it could be walked.
    let _ = fs.disk_ranges(&mut |path, range| {
        ranges += 1;
        if ranges <= RANGES_CAP {
            map.add(fs.partition(), path, range);
        }
    });
    // A loader reads a file to its size, not to the end of its last cluster.
    if fs.type_name() == "vfat" {
        map.trim(fs.partition(), |path| Some(fs.metadata(path).ok()?.size));
    }
}
