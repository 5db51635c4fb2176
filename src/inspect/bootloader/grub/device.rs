//! Disks and partitions as GRUB names them, what it can read of them, and files in them.

use super::super::Partitions;
use super::image::Program;
use crate::inspect::error::{Error, ErrorKind, Result};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::partitions::{DiskFacts, Partition, TableKind};
use crate::inspect::source::Location;
use std::sync::Arc;

/// Features of ext4 that change the format and that GRUB's driver does not know (`grub-core/fs/ext2.c`).
const EXT_UNKNOWN: [&str; 6] = [
    "compression",
    "journal_dev",
    "ea_inode",
    "dirdata",
    "inline_data",
    "casefold",
];
/// Features that it has passed over since 2.12.
const EXT_UNKNOWN_BEFORE: [&str; 2] = ["large_dir", "metadata_csum_seed"];

/// The disk as this GRUB sees it.
pub struct Devices<'a> {
    /// Where file systems come from.
    pub source: &'a dyn Partitions,
    /// The partition table.
    pub disk: &'a DiskFacts,
    /// The program: its drivers decide what it can read.
    pub program: &'a Program,
}

impl Devices<'_> {
    /// GRUB's name of a partition: `hd0,gpt2`.
    pub fn name(&self, id: &str) -> Option<String> {
        let partition = self.disk.partitions.iter().find(|p| p.id == id)?;
        Some(match self.disk.table {
            TableKind::Gpt => format!("hd0,gpt{}", partition.number),
            TableKind::Mbr => format!("hd0,msdos{}", partition.number),
            TableKind::None => "hd0".into(),
        })
    }

    /// The partition behind a device name. The machine has one disk.
    pub fn partition(&self, device: &str) -> Option<&Partition> {
        let device = device.trim_start_matches('(').trim_end_matches(')');
        let (disk, part) = device.split_once(',').unwrap_or((device, ""));
        if disk != "hd0" {
            return None;
        }
        let digits = part.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let partitions = &self.disk.partitions;
        if self.disk.table == TableKind::None {
            return partitions.first();
        }
        let number: u32 = digits.parse().ok()?;
        partitions.iter().find(|p| p.number == number)
    }

    /// The file system of a partition, when this GRUB can read it; the error says why not.
    pub fn open(&self, partition: &Partition) -> Result<Arc<dyn FileSystem>> {
        let place = Location::partition(&partition.id);
        let Some(kind) = partition.content.fs_type.as_deref() else {
            return Err(Error::corrupt(place, "holds no file system"));
        };
        if let Some(reason) = self.unreadable(kind, partition) {
            return Err(Error::unsupported(place, reason));
        }
        self.source.open(&partition.id)
    }

    /// Why this GRUB says `unknown filesystem`.
    fn unreadable(&self, kind: &str, partition: &Partition) -> Option<String> {
        let module = match kind {
            "ext2" | "ext3" | "ext4" => "ext2",
            "vfat" => "fat",
            "squashfs" => "squash4",
            "exfat" | "btrfs" | "xfs" | "iso9660" | "f2fs" | "ntfs" | "zfs" | "erofs" => kind,
            other => return Some(format!("{other} is not a file system that GRUB reads")),
        };
        if !self.program.modules.is_empty() && !self.program.modules.contains(module) {
            return Some(format!(
                "GRUB's image has no driver for {kind} (module {module})"
            ));
        }
        if module != "ext2" {
            return None;
        }
        let fs = self.source.open(&partition.id).ok()?;
        let later = self.reads_later_features();
        let features = fs.features();
        let strange = features.iter().find(|feature| {
            let feature = feature.as_str();
            let patched = self.is_debian();
            let before = !(later || patched);
            EXT_UNKNOWN.contains(&feature) || (before && EXT_UNKNOWN_BEFORE.contains(&feature))
        })?;
        let version = self
            .program
            .version
            .as_deref()
            .unwrap_or("of unknown version");
        Some(format!(
            "the file system has the feature {strange}, which GRUB {version} does not know"
        ))
    }

    fn reads_later_features(&self) -> bool {
        let version = self.program.version.as_deref().unwrap_or("2.12");
        let minor: String = version
            .trim_start_matches("2.")
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        minor.parse::<u32>().is_ok_and(|minor| minor >= 12)
    }

    /// Debian's 2.06 has the patches for both.
    fn is_debian(&self) -> bool {
        let version = self.program.version.as_deref();
        version.is_some_and(|v| v.starts_with("2.06-"))
    }

    /// Device and path of a file name: `(hd0,gpt2)/boot/x`, or a path on `root`.
    pub fn split<'n>(&self, name: &'n str, root: &'n str) -> (&'n str, &'n str) {
        match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((device, path)) => (device, path),
            None => (root, name),
        }
    }

    /// The file system and the path on it that a file name means.
    pub fn locate(&self, name: &str, root: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        let (device, path) = self.split(name, root);
        let partition = self.partition(device).ok_or_else(|| {
            let message = format!("no such device: {device}");
            Error::new(ErrorKind::NotFound, Location::image(), message)
        })?;
        let fs = self.open(partition)?;
        Ok((fs, path.to_owned()))
    }
}
