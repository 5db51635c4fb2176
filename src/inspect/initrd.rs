//! The initrd: concatenated cpio archives in any compression the kernel knows.

use super::error::Error;
use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// What made it.
    pub generator: Option<Generator>,
    /// `/init` is there (a file, or a link that resolves).
    pub has_init: bool,
    /// systemd is PID 1 inside.
    pub systemd: bool,
    /// Kernel modules inside, by module name (`virtio_blk`), with underscores.
    pub modules: BTreeSet<String>,
    /// Kernel releases under `lib/modules/` inside.
    pub module_releases: BTreeSet<String>,
    /// Modules that the initrd loads by name before the root is mounted (`conf/modules`, `modules-load.d`).
    pub loads: BTreeSet<String>,
}
