//! What the firmware starts, and what that starts: systemd-boot, GRUB, a UKI.

pub mod detect;
pub mod file;
pub mod grub;
pub mod pe;
mod read;
pub mod systemd_boot;
pub mod uki;
pub mod version;

pub use detect::efi_suffix;
pub use read::read;

use super::error::{Error, Fact, Result};
use super::filesystem::FileSystem;
use super::source::{Location, Origin};
use super::volumes::Volumes;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// Where the file systems of an image come from. GRUB looks on all of them.
pub trait Partitions {
    /// The file system of a partition (`p2`).
    fn open(&self, id: &str) -> Result<Arc<dyn FileSystem>>;
}

impl Partitions for Volumes {
    fn open(&self, id: &str) -> Result<Arc<dyn FileSystem>> {
        Volumes::open(self, id)
    }
}

/// Kind of loader found at the removable-media path of the ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderKind {
    /// systemd-boot.
    SystemdBoot,
    /// GRUB 2.
    Grub,
    /// A unified kernel image as the loader itself.
    Uki,
    /// shim, which starts the next loader.
    Shim,
    /// EFI Boot Guard.
    EfiBootGuard,
    /// A PE file that is none of these.
    Unknown,
}

/// A PE executable of the ESP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PeFacts {
    /// Where it lies.
    pub location: Location,
    /// Size in bytes.
    pub size: u64,
    /// COFF machine, e.g. `x86_64`, `aarch64`, `0x1c0`.
    pub machine: String,
    /// PE subsystem is an EFI application.
    pub efi_application: bool,
    /// Has an Authenticode certificate table.
    pub signed: bool,
    /// Names of its sections, in order.
    pub sections: Vec<String>,
    /// First damage found (truncated section, bad header).
    pub damage: Option<Error>,
}

/// The ESP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EspFacts {
    /// Partition (`p1`).
    pub partition: String,
    /// `FAT12`, `FAT16`, `FAT32`.
    pub fat_type: String,
    /// The file at the removable-media path (`EFI/BOOT/BOOTX64.EFI`, any case), x86-64 or the image's own architecture.
    pub removable: Fact<PeFacts>,
    /// Removable-media loaders of other architectures present (`bootaa64.efi`, …).
    pub other_architectures: Vec<String>,
}

/// One bootable entry, as the loader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LoaderEntry {
    /// Entry id as the loader names it (`boot.conf` for systemd-boot ≥ 250, the menuentry title or id for GRUB).
    pub id: String,
    /// Title for people.
    pub title: Option<String>,
    /// The line that makes the entry (the file for Type #1, the menuentry for GRUB).
    pub origin: Option<Origin>,
    /// Kernel (`linux`/`efi`/the UKI itself), with the line that names it.
    pub linux: Option<EntryFile>,
    /// Initrds in order.
    pub initrds: Vec<EntryFile>,
    /// Command line as the loader passes it, options joined by a blank.
    pub options: String,
    /// Lines the options came from.
    pub options_origin: Vec<Origin>,
    /// Boot-counting suffix `+LEFT-DONE`, when present.
    pub tries: Option<(u32, u32)>,
    /// The architecture line, when present.
    pub architecture: Option<String>,
    /// The loader would skip this entry (other architecture, kernel missing at menu time, no `linux`), with the reason.
    pub skipped: Option<String>,
}

/// A file named by an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EntryFile {
    /// Path as written.
    pub path: String,
    /// The line that names it.
    pub origin: Option<Origin>,
    /// Resolved file, or that it is missing or unreadable.
    pub file: Fact<FoundFile>,
}

/// A file that was found, or a section of a unified kernel image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FoundFile {
    /// Where it lies.
    pub location: Location,
    /// Size in bytes, of the section when it is one.
    pub size: u64,
    /// Name of the PE section (`.linux`, `.initrd`) when it is not the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Byte offset in the file at which the content starts.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The loader and its choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LoaderFacts {
    /// Kind.
    pub kind: LoaderKind,
    /// Version from the binary (`252.38-1~deb12u1`), when it tells.
    pub version: Option<String>,
    /// EFI programs from the firmware to this loader, the loader last: more than one when shim comes first.
    pub chain: Vec<PeFacts>,
    /// Main configuration file (`loader/loader.conf`, `grub.cfg`).
    pub config: Fact<Origin>,
    /// `default` pattern with its line.
    pub default: Option<(String, Origin)>,
    /// The `default` pattern matches an entry (true when there is no pattern).
    pub default_matches: bool,
    /// Menu timeout in seconds; `None` = boots at once. `u32::MAX` = waits for a key for ever (`menu-force`, GRUB −1).
    pub timeout: Option<u32>,
    /// The line with the timeout.
    pub timeout_origin: Option<Origin>,
    /// Entries in the order of the menu, then those that the loader skips.
    pub entries: Vec<LoaderEntry>,
    /// Index in `entries` of the one that boots by default.
    pub selected: Option<usize>,
    /// What the configuration asks for and the loader cannot have: missing modules, files, unset variables, unreadable file systems.
    pub problems: Vec<LoaderProblem>,
}

/// Something the loader would stumble over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LoaderProblem {
    /// Stable kind: `file-missing`, `unknown-filesystem`, `slot-empty`, `uki-overlap`, `uki-no-cmdline`, `syntax`, …
    pub kind: String,
    /// Sentence fragment.
    pub message: String,
    /// The line that asks for it.
    pub origin: Option<Origin>,
    /// The file or partition concerned.
    pub location: Location,
}

impl LoaderFacts {
    /// The entry that boots by default.
    pub fn selected_entry(&self) -> Option<&LoaderEntry> {
        self.entries.get(self.selected?)
    }
    /// The entry to judge: the one that boots, or, when none can, the first one that the loader had to skip.
    pub fn judged_entry(&self) -> Option<&LoaderEntry> {
        self.selected_entry().or_else(|| self.entries.first())
    }
}

#[cfg(test)]
mod tests;
