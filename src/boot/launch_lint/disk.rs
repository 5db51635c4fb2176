//! The image as the guest's disk.

use super::{Case, finding};
use crate::boot::arguments::boot_disk;
use crate::boot::outcome::LaunchFinding;
use std::path::Path;

pub(super) fn check(case: &Case, found: &mut Vec<LaunchFinding>) {
    let Some(disk) = boot_disk(&case.disks) else {
        found.push(finding(
            "launch-disk-missing",
            "error",
            "QEMU gets no disk to boot from",
            "(no -drive)",
            "add the image: -drive file=IMAGE,if=virtio,format=raw,snapshot=on",
        ));
        return;
    };
    // A copy that the script made for this run may be written.
    let own_copy = Path::new(&disk.file).starts_with(&case.cwd) && case.cwd != Path::new("/");
    if !disk.snapshot && !disk.readonly && !own_copy {
        found.push(finding(
            "launch-image-writable",
            "warning",
            format!(
                "the guest writes to {} itself: one test changes what the next one boots, and two cannot run at once",
                disk.file
            ),
            disk.option.text(),
            "add snapshot=on",
        ));
    }
    if disk.format.is_none() {
        found.push(finding(
            "launch-image-format-missing",
            "warning",
            "the image's format is guessed by QEMU, which then refuses writes to its first sector",
            disk.option.text(),
            "add format=raw (or qcow2)",
        ));
    }
    if disk.bus != "virtio" {
        found.push(finding(
            "launch-disk-not-virtio",
            "warning",
            format!(
                "the disk is on {}, so it is /dev/sda and not /dev/vda: root= and fstab must not name it by device",
                disk.bus
            ),
            disk.option.text(),
            "use if=virtio",
        ));
    }
}
