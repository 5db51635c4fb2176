//! Puts the facts together: what the firmware would start, what that names, and the system behind it.

mod boot;
mod machine;
mod pending;
mod system;

use super::Options;
use super::disk::Disk;
use super::error::{Fact, Result};
use super::facts::{Facts, ImageFacts};
use super::partitions;
use super::volumes::Volumes;
use boot::Boot;
use std::path::Path;
use std::sync::Arc;
use system::System;

/// Collects the facts of one opened image.
pub fn collect(path: &Path, disk: &Arc<dyn Disk>, options: &Options) -> Result<Facts> {
    let mut table = partitions::read(disk)?;
    let volumes = Volumes::new(disk, &table.partitions);
    table.esp = volumes.esp();
    let likely = volumes.system(table.esp.as_deref());
    let boot = Boot::read(&volumes, &table, likely.as_deref());
    table.root = boot.root_partition(likely);
    let rootfs = boot::root_fs(&volumes, table.root.as_deref()).ok();
    let (hand_over, system) = rayon::join(
        || boot.load(&volumes, rootfs.as_ref(), options),
        || System::open(disk, &volumes, &table, &boot),
    );
    let rest = system.finish(&boot, &hand_over, options);
    Ok(Facts {
        image: ImageFacts {
            path: path.display().to_string(),
            size: disk.len(),
            container: "raw".into(),
            bytes_read: disk.bytes_read(),
        },
        profile: options.profile.clone(),
        backdoor: rest.backdoor,
        script: rest.script,
        disk: Fact::Known(table),
        esp: boot.esp,
        loader: boot.loader,
        kernel: hand_over.kernel,
        initrd: hand_over.initrd,
        cmdline: boot.cmdline,
        root: boot.root,
        rootfs: rest.rootfs,
        fstab: rest.fstab,
        modules: rest.modules,
        packages: rest.packages,
        systemd: rest.systemd,
        udev: rest.udev,
        root_password: rest.root_password,
        missing_commands: rest.missing_commands,
    })
}
