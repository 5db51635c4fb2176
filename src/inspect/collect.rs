//! Puts the facts together: what the firmware would start, what that names, and the system behind it.

mod boot;
mod machine;
mod mounts;
mod system;

use super::Options;
use super::disk::Disk;
use super::error::{Error, ErrorKind, Fact, Result};
use super::facts::{Facts, ImageFacts};
use super::partitions::{self, DiskFacts, GptCopy, lost};
use super::source::Location;
use super::volumes::Volumes;
use boot::Boot;
use std::path::Path;
use std::sync::Arc;
use system::System;

/// Collects the facts of one opened image.
pub fn collect(path: &Path, disk: &Arc<dyn Disk>, options: &Options) -> Result<Facts> {
    let mut table = match partitions::read(disk) {
        Ok(table) => table,
        Err(error) => return without_table(path, disk, options, error),
    };
    if let (true, Some(error)) = (table.partitions.is_empty(), damage(&table)) {
        return Ok(nothing_behind(
            path,
            disk,
            options,
            Fact::Known(table),
            &error,
        ));
    }
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
        image: image(path, disk),
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
        condition_paths: rest.condition_paths,
        lacks: rest.lacks,
    })
}

fn image(path: &Path, disk: &Arc<dyn Disk>) -> ImageFacts {
    ImageFacts {
        path: path.display().to_string(),
        size: disk.len(),
        container: "raw".into(),
        bytes_read: disk.bytes_read(),
    }
}

/// A disk without a readable table can be judged when it holds a file system all the same: its table is lost.
fn without_table(
    path: &Path,
    disk: &Arc<dyn Disk>,
    options: &Options,
    error: Error,
) -> Result<Facts> {
    let lost = lost::file_system(disk).filter(|_| error.kind == ErrorKind::Corrupt);
    let Some((start, fs_type)) = lost else {
        return Err(error);
    };
    let message =
        format!("no partition table, although a {fs_type} file system lies at {start:#x}");
    let error = Error::corrupt(error.location, message);
    let table = Fact::Unreadable(error.clone());
    Ok(nothing_behind(path, disk, options, table, &error))
}

/// The damage of a table of which no copy is good.
fn damage(table: &DiskFacts) -> Option<Error> {
    match &table.primary {
        Some(GptCopy::Corrupt(error)) => Some(error.clone()),
        Some(GptCopy::Missing) => Some(Error::corrupt(
            Location::image().at_offset(u64::from(table.sector_size)),
            "no GUID partition table, although the MBR says that there is one",
        )),
        _ => None,
    }
}

/// Without partitions, nothing behind the table can be read.
fn nothing_behind(
    path: &Path,
    disk: &Arc<dyn Disk>,
    options: &Options,
    table: Fact<DiskFacts>,
    error: &Error,
) -> Facts {
    Facts {
        image: image(path, disk),
        profile: options.profile.clone(),
        backdoor: None,
        script: Fact::Unreadable(error.clone()),
        disk: table,
        esp: Fact::Unreadable(error.clone()),
        loader: Fact::Unreadable(error.clone()),
        kernel: Fact::Unreadable(error.clone()),
        initrd: Fact::Unreadable(error.clone()),
        cmdline: Fact::Unreadable(error.clone()),
        root: Fact::Unreadable(error.clone()),
        rootfs: Fact::Unreadable(error.clone()),
        fstab: Fact::Unreadable(error.clone()),
        modules: Fact::Unreadable(error.clone()),
        packages: Fact::Unreadable(error.clone()),
        systemd: Fact::Unreadable(error.clone()),
        udev: Fact::Unreadable(error.clone()),
        root_password: Fact::Unreadable(error.clone()),
        missing_commands: Default::default(),
        condition_paths: Default::default(),
        lacks: Vec::new(),
    }
}
