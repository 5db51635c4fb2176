//! The initrd: concatenated cpio archives in any compression the kernel knows.

pub mod contents;
mod cpio;
mod input;
pub mod listing;

use super::bootloader::EntryFile;
use super::error::{Error, Fact};
use super::filesystem::FileSystem;
use super::source::Location;
use contents::Contents;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One cpio archive of the initrd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Archive {
    /// The initrd file it comes from and its byte offset there.
    pub location: Location,
    /// `none`, `gzip`, `zstd`, `xz`, `lz4`, `lzma`, `bzip2`, `lzo`.
    pub compression: String,
    /// Number of entries.
    pub entries: usize,
}

/// What made the initrd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Generator {
    /// initramfs-tools (Debian's default).
    InitramfsTools,
    /// dracut.
    Dracut,
    /// mkosi or another initrd with systemd inside.
    Systemd,
    /// Not recognised.
    Unknown,
}

/// The initrd as the kernel would unpack it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InitrdFacts {
    /// The files, in the order in which the loader concatenates them.
    pub files: Vec<Location>,
    /// Size on disk in bytes, all files.
    pub size: u64,
    /// Archives in order (early microcode first).
    pub archives: Vec<Archive>,
    /// First damage found; what was read before it stays in the lists.
    pub damage: Option<Error>,
    /// The listing was skipped on request (`--no-initrd`), so the lists below are empty.
    pub skipped: bool,
    /// Paths of all entries without leading `/` or `./`.
    #[serde(skip)]
    pub paths: BTreeSet<String>,
    /// Links and small configuration files inside.
    #[serde(skip)]
    pub contents: Contents,
    /// What made it.
    pub generator: Option<Generator>,
    /// `/init` is there (a file, or a link that resolves).
    pub has_init: bool,
    /// systemd is PID 1 inside.
    pub systemd: bool,
    /// Kernel modules inside, by module name (`virtio_blk`), with underscores.
    pub modules: BTreeSet<String>,
    /// Path of each of them.
    #[serde(skip)]
    pub module_paths: BTreeMap<String, String>,
    /// udev is inside, so a module whose device is there is loaded by its alias.
    pub udev: bool,
    /// Kernel releases under `lib/modules/` inside.
    pub module_releases: BTreeSet<String>,
    /// Modules that the initrd loads by name before the root is mounted (`conf/modules`, `modules-load.d`).
    pub loads: BTreeSet<String>,
}

/// Reads the initrds of an entry as the kernel would unpack them one after the other. `skip_listing` recognises the
/// archives and unpacks nothing. `Absent` when the entry names none.
pub fn read(
    fs: &Arc<dyn FileSystem>,
    files: &[EntryFile],
    skip_listing: bool,
) -> Fact<InitrdFacts> {
    if files.is_empty() {
        return Fact::Absent;
    }
    let mut locations = Vec::new();
    let mut size = 0;
    let mut damage = None;
    let mut wanted = Vec::new();
    for file in files {
        match &file.file {
            Fact::Known(found) => {
                locations.push(found.location.clone());
                size += found.size;
                wanted.push(found);
            }
            Fact::Absent => {
                let place = Location::file(fs.partition(), file.path.clone());
                damage.get_or_insert(Error::not_found(place));
            }
            Fact::Unreadable(error) => {
                damage.get_or_insert(error.clone());
            }
        }
    }
    let listings: Vec<_> = wanted
        .par_iter()
        .map(|found| {
            let path = found.location.path.as_deref().unwrap_or_default();
            let file = fs.open_file(path)?;
            Ok(listing::read(
                file.as_ref(),
                &found.location,
                found.offset,
                found.size,
                skip_listing,
                &contents::is_kept,
            ))
        })
        .collect();
    let mut archives = Vec::new();
    let mut entries = Vec::new();
    for listing in listings {
        match listing {
            Ok(listing) => {
                archives.extend(listing.archives);
                entries.extend(listing.entries);
                damage = damage.or(listing.damage);
            }
            Err(error) => damage = damage.or(Some(error)),
        }
    }
    let contents = Contents::new(entries);
    Fact::Known(InitrdFacts {
        files: locations,
        size,
        archives,
        damage,
        skipped: skip_listing,
        generator: contents.generator(),
        has_init: contents.resolve("init").is_some(),
        systemd: contents.systemd(),
        udev: contents.udev(),
        module_paths: contents.modules(),
        modules: contents.modules().into_keys().collect(),
        module_releases: contents.releases(),
        loads: contents.loads(),
        paths: contents.paths(),
        contents,
    })
}

#[cfg(test)]
mod tests;
