//! The root file system: its state, os-release, machine-id, init.

use super::error::{Error, Fact};
use super::exec::Executable;
use schemars::JsonSchema;
use serde::Serialize;

/// The root file system that the boot will use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RootfsFacts {
    /// Partition (`p2`).
    pub partition: String,
    /// `ext4`, `squashfs`, …
    pub fs_type: String,
    /// Size in bytes that the superblock claims.
    pub fs_size: u64,
    /// The file system claims more than the partition holds, or has another structural damage.
    pub damage: Option<Error>,
    /// Superblock says errors were found, or it was not cleanly unmounted (`needs_recovery`); sentence fragment.
    pub dirty: Option<String>,
    /// Feature flags of the file system that matter to loaders (`metadata_csum_seed`, `orphan_file`, `encrypt`, …).
    pub features: Vec<String>,
    /// `ID`, `VERSION_ID`, `PRETTY_NAME`, … of os-release, in file order.
    pub os_release: Fact<Vec<(String, String)>>,
    /// Content of `/etc/machine-id`, trimmed; empty when the file is empty.
    pub machine_id: Fact<String>,
    /// What the initrd or kernel will execute as init: `init=` or `/sbin/init`.
    pub init: Fact<Executable>,
    /// Path of init as asked for.
    pub init_path: String,
    /// `/lib`, `/bin`, `/sbin` are links into `/usr`.
    pub merged_usr: bool,
    /// Architecture of init's ELF (`x86_64`).
    pub architecture: Option<String>,
}
