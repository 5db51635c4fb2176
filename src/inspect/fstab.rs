//! `/etc/fstab`, and whether each source exists on this disk.

use super::source::Origin;
use schemars::JsonSchema;
use serde::Serialize;

/// Does a block-device name exist when this image is the only disk, on virtio?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum DeviceMatch {
    /// Resolves to a partition (`p2`).
    Partition(String),
    /// Names a device node of another bus (`/dev/sda2`); the partition it would mean on that bus, when the number exists.
    OtherBus(Option<String>),
    /// No partition has it.
    Missing,
    /// Not a disk of this image by construction (tmpfs, proc, overlay, network, /dev/mapper, …).
    NotApplicable,
    /// Cannot be told offline.
    Unknown(String),
}

/// One line of fstab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FstabEntry {
    /// `fs_spec` as written.
    pub spec: String,
    /// Mount point, escapes decoded.
    pub mount_point: String,
    /// Type.
    pub fs_type: String,
    /// Options.
    pub options: Vec<String>,
    /// `fs_passno`; 0 when absent or not a number.
    pub pass: u32,
    /// What the spec resolves to.
    pub device: DeviceMatch,
    /// The line.
    pub origin: Origin,
}
